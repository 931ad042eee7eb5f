"""Options for the bucket, service account and file commands."""

from __future__ import annotations

import argparse

URI = "gs://BUCKET/…"


def add_bucket_add(parser: argparse.ArgumentParser) -> None:
    """Add the options for `bucket add`."""
    parser.add_argument("name", metavar="NAME", help="the bucket's name, unique across Google Cloud")
    parser.add_argument(
        "--location",
        default="us-central1",
        metavar="L",
        help="where its data is stored (default: us-central1)",
    )


def add_bucket_remove(parser: argparse.ArgumentParser) -> None:
    """Add the options for `bucket remove`."""
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--force", action="store_true", help="also remove all of its objects")
    add_yes(parser)


def add_account_name(parser: argparse.ArgumentParser) -> None:
    """Add the name of a service account."""
    parser.add_argument(
        "name", metavar="NAME", help="the account's id, such as trainer, or its email address"
    )


def add_account_remove(parser: argparse.ArgumentParser) -> None:
    """Add the options for `account remove`."""
    add_account_name(parser)
    add_yes(parser)


def add_account_use(parser: argparse.ArgumentParser) -> None:
    """Add the options for `account use`."""
    add_account_name(parser)
    parser.add_argument("--force", action="store_true", help="change it even if jobs are running")


def add_cp(parser: argparse.ArgumentParser) -> None:
    """Add the options for `cp`."""
    parser.add_argument("paths", nargs="*", metavar="SRC… DST", help="files, folders or gs:// URIs")
    parser.add_argument(
        "-r", "-R", "--recursive", action="store_true", help="copy folders with their contents"
    )
    parser.add_argument(
        "-n", "--no-clobber", action="store_true", help="skip existing files, for example to resume a copy"
    )


def add_ls(parser: argparse.ArgumentParser) -> None:
    """Add the options for `ls`."""
    parser.add_argument("uris", nargs="*", metavar=URI, help="what to list (default: the project's buckets)")
    parser.add_argument("-l", "--long", action="store_true", help="also show sizes and times")
    parser.add_argument(
        "-r", "-R", "--recursive", action="store_true", help="also list the contents of folders"
    )


def add_cat(parser: argparse.ArgumentParser) -> None:
    """Add the options for `cat`."""
    parser.add_argument("uris", nargs="+", metavar=URI)


def add_rm(parser: argparse.ArgumentParser) -> None:
    """Add the options for `rm`."""
    parser.add_argument("uris", nargs="+", metavar=URI)
    parser.add_argument(
        "-r", "-R", "--recursive", action="store_true", help="also remove the contents of folders"
    )
    add_yes(parser)


def add_yes(parser: argparse.ArgumentParser) -> None:
    """Add --yes."""
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask for confirmation")


ADDERS = {
    "bucket add": add_bucket_add,
    "bucket remove": add_bucket_remove,
    "account add": add_account_name,
    "account remove": add_account_remove,
    "account use": add_account_use,
    "cp": add_cp,
    "ls": add_ls,
    "cat": add_cat,
    "rm": add_rm,
}
