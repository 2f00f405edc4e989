"""Answers SQL, a JSON object {"sql": [...]} a line, with a JSON array a line: the rows of the last statement, and the seconds that it took."""
import json
import sys
import time

import duckdb

db = duckdb.connect()
for line in sys.stdin:
    rows, took, error = [], 0.0, None
    try:
        for sql in json.loads(line)["sql"]:
            start = time.perf_counter()
            rows = db.execute(sql).fetchall()
            took = time.perf_counter() - start
    except duckdb.Error as e:
        error = str(e)
    print(json.dumps({"rows": rows, "seconds": took, "error": error}, default=str), flush=True)
