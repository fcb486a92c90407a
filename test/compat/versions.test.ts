// Which versions of Kubernetes are supported is said in many places, and is the same in all.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { oldestMinor } from '../../operator/skew.ts'
import { chart, hasHelm, helm } from '../chart/helm.ts'
import { kubernetes, oldestKubernetes } from '../cluster/binaries.ts'

const root = join(import.meta.dirname, '../..')
const newestMinor = minorOf(kubernetes)

test('the operator works with what is tested', () => {
  expect(minorOf(oldestKubernetes)).toBe(oldestMinor)
  expect(oldestMinor).toBeLessThan(newestMinor)
})

test.each([
  ['README.md', `Kubernetes 1.${oldestMinor} to 1.${newestMinor} is supported`],
  ['docs/operator.md', `Kubernetes is older than 1.${oldestMinor}`],
  ['charts/convoke/README.md', `Kubernetes 1.${oldestMinor} or newer (tested up to 1.${newestMinor})`],
  ['charts/convoke/Chart.yaml', `kubeVersion: ">=1.${oldestMinor}.0-0"`],
])('%s says them', (file, text) => {
  expect(readFileSync(join(root, file), 'utf8')).toContain(text)
})

test.skipIf(!hasHelm).each([
  [`1.${oldestMinor - 1}.14`, /chart requires kubeVersion: >=1\.\d+\.0-0 which is incompatible with Kubernetes v1\./],
  [`1.${oldestMinor}.0-eks-1`, null],
  [`1.${newestMinor}.0`, null],
])('Helm knows whether Kubernetes %s will do', (version, refusal) => {
  const { code, err } = helm(['template', 'convoke', chart, '--kube-version', version])
  if (refusal === null) expect([code, err]).toEqual([0, ''])
  else expect(err).toMatch(refusal)
})

function minorOf(version: string): number {
  return Number(version.split('.')[1])
}
