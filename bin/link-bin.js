// `npx convoke` inside a checkout should be this checkout: npm does not link a package's own bin.
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'

mkdirSync('node_modules/.bin', { recursive: true })
for (const name of ['convoke', 'kubectl-convoke', 'kubectl_complete-convoke']) {
  rmSync(`node_modules/.bin/${name}`, { force: true })
  symlinkSync(`../../bin/${name}`, `node_modules/.bin/${name}`)
}
