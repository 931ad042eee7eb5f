# expect: runs
# /// script
# dependencies = ["humanize"]
# ///
import humanize

print("✅ für alle:", humanize.intword(1_200_000))
