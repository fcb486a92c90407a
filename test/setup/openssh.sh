#!/bin/sh
# Installs sshd for test/stores where it is missing: a Debian system, as root.
set -e
[ -x /usr/sbin/sshd ] && exit 0
apt-get update -qq
apt-get install -y --no-install-recommends openssh-server
