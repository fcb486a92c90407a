// `node test/formats/write.ts N`: writes the store of today's form as format-N, beside those of earlier ones, with what was told of it.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { live, openHouse, tell } from './life.ts'

const format = process.argv[2]
if (format === undefined) throw new Error('Say which: node test/formats/write.ts N')
const folder = mkdtempSync(join(tmpdir(), 'convoke-store-'))
const target = join(import.meta.dirname, `format-${format}`)
rmSync(target, { recursive: true, force: true })
await using house = await openHouse(folder)
await live(house)
cpSync(house.root, join(target, 'people'), { recursive: true })
cpSync(join(folder, 'landing-zone'), join(target, 'landing-zone'), { recursive: true })
writeFileSync(join(target, 'told.json'), `${JSON.stringify(await tell(house), null, 1)}\n`)
rmSync(join(target, 'people', 'reports'), { recursive: true })
rmSync(folder, { recursive: true })
