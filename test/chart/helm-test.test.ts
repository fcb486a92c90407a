// What `helm test` runs in its Pod, here without the Pod: the same arguments, files where the Pod mounts them, and nothing else.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { convoke, folderOf } from '../support/cli.ts'
import { hasHelm, only, render } from './helm.ts'

type Mount = { readonly name: string; readonly mountPath: string; readonly subPath?: string }
type Volume = { readonly name: string; readonly configMap?: { readonly name: string } }

describe.skipIf(!hasHelm)('helm test', () => {
  const manifests = hasHelm ? render() : []
  const pod = hasHelm ? only(manifests, 'Pod', 'convoke-test') : null

  test('asks nothing of the cluster: no token, nothing that Pod Security "restricted" forbids', () => {
    const { automountServiceAccountToken, securityContext, containers } = pod!['spec']
    expect({ automountServiceAccountToken, securityContext, container: containers[0].securityContext }).toEqual({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      container: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    })
  })

  test('runs from records to a file for Campaign', () => {
    using root = folderOf({})
    const { volumes, containers } = pod!['spec']
    const { args, volumeMounts } = containers[0]
    for (const { name, mountPath, subPath } of volumeMounts as readonly Mount[]) {
      const path = join(root.path, mountPath)
      const { configMap } = (volumes as readonly Volume[]).find((volume) => volume.name === name)!
      mkdirSync(subPath === undefined ? path : dirname(path), { recursive: true })
      if (configMap !== undefined && subPath !== undefined)
        writeFileSync(path, only(manifests, 'ConfigMap', configMap.name)['data'][subPath])
    }
    const inside = (args as readonly string[]).map((each) => (each.startsWith('/') ? join(root.path, each) : each))
    const { code, out, err } = convoke(inside)
    expect([code, err.replaceAll(/\d+\.\d s/g, '… s')]).toEqual([0, expect.stringContaining('export')])
    expect(out).toMatch(/gold +1 +0 +1 +0/)
    expect(out).toContain('1 membership = 1 delivered')
    const files = readdirSync(join(root.path, '/volumes/files')).filter((name) => name.endsWith('.csv'))
    expect(readFileSync(join(root.path, '/volumes/files', files[0]!), 'utf8')).toBe(
      'external_id,email,segmentMembership.status\n1,ann@example.test,realized\n',
    )
  })
})
