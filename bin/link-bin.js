// `npx convoke` inside a checkout should be this checkout: npm does not link a package's own bin.
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'

mkdirSync('node_modules/.bin', { recursive: true })
rmSync('node_modules/.bin/convoke', { force: true })
symlinkSync('../../bin/convoke', 'node_modules/.bin/convoke')
