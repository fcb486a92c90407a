# The two commands of a fresh clone: `make demo` and `make test`. Everything else is npm's scripts.
NODE := node_modules/node/bin/node
INSTALLED := node_modules/.installed

.PHONY: demo kind test e2e soak check bench generate clean

# What Convoke does, on real data: two days of two examples, from YAML to an updated Campaign.
demo: $(INSTALLED)
	@$(NODE) examples/demo.ts

# The same in a cluster: kind, the chart, one example, run once. Needs Docker, kind, kubectl and Helm, and says which of them is missing.
kind: $(INSTALLED)
	@$(NODE) examples/kind.ts

# Types, format, lint and every test on real parts. `make test WITHIN=60`: what has not ended after 60 minutes counts as failed.
test: $(INSTALLED)
	@$(NODE) test/main.ts $(if $(WITHIN),--within $(WITHIN))

# Of these, what runs in Pods of a real node: root, and the programs of ARCHITECTURE.md, or Docker and kind.
e2e: $(INSTALLED)
	@$(NODE) test/main.ts test/e2e test/node

# The long forms of all searches (seeded lives, kills, fuzz, parity), for hours; `make soak NAME=test/yaml` those of one folder.
soak: $(INSTALLED)
	@$(NODE) test/main.ts --soak $(NAME)

# The quick inner loop: types, lint, and the tests that need no server.
check: $(INSTALLED)
	@$(NODE) test/main.ts --quick

# make bench NAME=evaluate
bench: $(INSTALLED)
	@$(NODE) bench/main.ts $(NAME)

# Types, validators and manuals made from schemas and tables.
generate: $(INSTALLED)
	@npm run --silent generate

clean:
	rm -rf .work .cache

$(INSTALLED): package.json package-lock.json
	@command -v npm >/dev/null || { echo "make: npm is missing; install Node.js (any version that brings npm)" >&2; exit 2; }
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@
