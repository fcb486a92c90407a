#!/bin/sh
# Installs PgBouncer for test/import where it is missing: a Debian system, as root.
set -e
[ -x /usr/sbin/pgbouncer ] && exit 0
apt-get update -qq
apt-get install -y --no-install-recommends pgbouncer
