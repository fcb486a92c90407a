"""A Spark session that answers one query after another: one JSON object a line in, one out.

The first line out is {"version": "4.0.1"} when the session stands, or {"missing": "..."} when there can be none, after which it ends.
In:  {"tables": {name: path of a Parquet file}, "sql": "..."}
Out: {"columns": [...], "rows": [[...]]} or {"error": "..."}
It works in the current folder, and ends with its input.
"""

import glob
import json
import os
import shutil
import sys


def say(value):
    print(json.dumps(value, default=str), flush=True)


def missing(what):
    say({"missing": what})
    sys.exit(0)


# A Spark that was unpacked, rather than installed as a package.
home = os.environ.get("SPARK_HOME")
if home:
    sys.path[:0] = [os.path.join(home, "python"), *glob.glob(os.path.join(home, "python", "lib", "py4j-*.zip"))]
try:
    import pyspark
    from pyspark.sql import SparkSession
except ImportError:
    missing(f"{sys.executable} has no `pyspark`")
if int(pyspark.__version__.split(".")[0]) < 4:
    missing(f"Spark 4 or newer is needed, {sys.executable} has {pyspark.__version__}")
java = os.environ.get("JAVA_HOME")
if not (os.access(os.path.join(java, "bin", "java"), os.X_OK) if java else shutil.which("java")):
    missing("there is no `java`")

try:
    session = (
        SparkSession.builder.master("local[2]")
        .appName("convoke")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "2g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.local.dir", os.getcwd())
        .config("spark.sql.ansi.enabled", "true")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.timestampType", "TIMESTAMP_NTZ")
        .config("spark.sql.shuffle.partitions", "2")
        # Each lambda inside a lambda takes a few.
        .config("spark.sql.analyzer.maxIterations", "2000")
        .config("spark.sql.optimizer.maxIterations", "400")
        .config("spark.driver.extraJavaOptions", "-Xss64m")
        .config("spark.sql.adaptive.enabled", "false")
        .getOrCreate()
    )
except Exception as error:
    missing(f"Spark does not start: {str(error).strip().splitlines()[0]}")
session.sparkContext.setLogLevel("OFF")
say({"version": session.version})

for line in sys.stdin:
    request = json.loads(line)
    try:
        for name, path in request["tables"].items():
            session.read.parquet(path).createOrReplaceTempView(name)
        frame = session.sql(request["sql"])
        say({"columns": frame.columns, "rows": [list(row) for row in frame.collect()]})
    except Exception as error:
        say({"error": str(error)[:4000]})
