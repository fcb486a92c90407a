"""Runs Spark SQL for the tests: one JSON object a line in, one out.

In:  {"views": {name: path of a Parquet file}, "sql": "..."}
Out: {"columns": [...], "rows": [[...]]} or {"error": "..."}
The first line out is {"version": "..."}, when the session stands.
"""

import json
import sys

from pyspark.sql import SparkSession

session = (
    SparkSession.builder.master("local[2]")
    .appName("convoke-tests")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "2g")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.ansi.enabled", "true")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.timestampType", "TIMESTAMP_NTZ")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.sql.adaptive.enabled", "false")
    .getOrCreate()
)
session.sparkContext.setLogLevel("OFF")
print(json.dumps({"version": session.version}), flush=True)

for line in sys.stdin:
    request = json.loads(line)
    try:
        for name, path in request.get("views", {}).items():
            session.read.parquet(path).createOrReplaceTempView(name)
        frame = session.sql(request["sql"])
        answer = {"columns": frame.columns, "rows": [list(row) for row in frame.collect()]}
    except Exception as error:
        answer = {"error": str(error)[:4000]}
    print(json.dumps(answer, default=str), flush=True)
