// `convoke check --volumes`: what somebody should know of the data that the stores have.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { convoke, folderOf } from '../support/cli.ts'

const bundle = readFileSync(join(import.meta.dirname, '../../examples/minimal/minimal.yaml'), 'utf8').replace(
  'identities: [{ namespace: CustomerId, path: customerId, primary: true }]',
  'identities: [{ namespace: CustomerId, path: customerId, primary: true }, { namespace: Email, path: personalEmail.address }]',
)
const at = '2026-01-15T06:00:00Z'

test('says nothing of what is in order, and where it is not what to do', () => {
  using folder = folderOf({
    'minimal.yaml': bundle,
    'volumes/landing/customers/a.csv':
      'id,first_name,last_name,email,tier,opt_out,updated_at\nC1,A,B,a@x.test,gold,no,2026-01-10\n',
    'volumes/landing/customers/b.csv': 'nothing,that,is,needed\n1,2,3,4\n',
    'volumes/landing/orders/a.ndjson': '{"customer":"C1","type":"purchase","at":"2026-01-12T10:00:00Z","total":12}\n',
  })
  for (const claim of ['profile-store', 'landing-zone']) mkdirSync(join(folder.path, 'volumes', claim))
  const check = (...more: string[]) =>
    convoke(['check', 'minimal.yaml', '--volumes', 'volumes', ...more], { cwd: folder.path })
  expect(JSON.parse(check('-o', 'json').out).stores).toEqual([])
  convoke(['run', 'minimal.yaml', '--workdir', 'work', '--volumes', 'volumes', '--at', at], { cwd: folder.path })
  const refused = {
    store: 'customers',
    code: 'refused-file',
    message: expect.stringContaining('b.csv is refused: it has no column for updated_at'),
  }
  expect(JSON.parse(check('-o', 'json').out).stores).toEqual([refused])

  const path = join(folder.path, 'volumes/profile-store/customers/data.json')
  const manifest = JSON.parse(readFileSync(path, 'utf8'))
  writeFileSync(path, JSON.stringify({ ...manifest, normalizesByNamespace: false }))
  const { code, out } = check()
  expect(code).toBe(0)
  expect(out).toContain(
    '! ProfileStore customers: The data of this store began before identities were normalised: Email is compared as written',
  )
  expect(convoke(['check', 'minimal.yaml', '-o', 'json'], { cwd: folder.path }).out).not.toContain('"stores"')
})
