#!/usr/bin/env python3
"""A results database in pandas: the trade-off table, and errors by policy and share of bytes.

    pandas_example.py results.db

The file is opened read-only, so that it may be read while a run stores its results. Columns tell their units.
"""

import pathlib
import sqlite3
import sys

import pandas


def open_results(path):
    uri = pathlib.Path(path).resolve(strict=True).as_uri() + "?mode=ro"
    return sqlite3.connect(uri, uri=True)


def main(path):
    with open_results(path) as database:
        replays = pandas.read_sql_query("SELECT * FROM tradeoff", database)
    columns = ["model", "text", "prefix_tokens", "policy", "relative_bytes", "relative_error_mean", "lost_mass_mean"]
    print(replays[columns].sort_values(["model", "text", "prefix_tokens", "relative_error_mean"]).to_string(index=False))

    at_equal_bytes = replays.dropna(subset=["equal_bytes_share"])
    if at_equal_bytes.empty:
        print("\nNo sizes were solved for a share of bytes (--equal-bytes): there is no table by share.")
        return
    by_share = at_equal_bytes.pivot_table(index=["model", "text", "prefix_tokens", "requested_policy"], columns="equal_bytes_share",
                                          values="relative_error_mean", aggfunc="mean")
    print("\nMean relative error by share of the bytes of full+f16:\n")
    print(by_share.to_string(float_format="{:.4f}".format))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    main(sys.argv[1])
