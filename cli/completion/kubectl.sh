#!/bin/sh
# Completion of `kubectl convoke`: a file kubectl_complete-convoke on PATH, to be run by kubectl's own completion.
exec kubectl convoke __complete "$@"
