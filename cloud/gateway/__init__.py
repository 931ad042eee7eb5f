"""The one published port of the lab, in front of Ray's dashboard."""
