import { mkdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Api, ApiObject } from './api.ts'

const provisioner = 'convoke.dev/test-folder'

/** What claims get that name no class. */
export const storageClass = {
  metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'Immediate',
}

type Claim = ApiObject & {
  readonly spec: {
    readonly storageClassName?: string
    readonly accessModes: readonly string[]
    readonly resources: { readonly requests: { readonly storage: string } }
    readonly volumeName?: string
  }
}

type Volume = ApiObject & {
  readonly status: { readonly phase: string }
  readonly spec: { readonly local?: { readonly path: string } }
}

/** Without end: each claim of the class gets a folder of the node, root's until a Pod's fsGroup says otherwise, which goes with the claim. */
export async function provideVolumes(api: Api, folder: string): Promise<never> {
  for (;;) {
    const claims = await items<Claim>(api, '/api/v1/persistentvolumeclaims')
    for (const { metadata, spec } of claims) {
      if (spec.storageClassName !== storageClass.metadata.name || spec.volumeName !== undefined) continue
      const name = `pvc-${metadata['uid']}`
      mkdirSync(join(folder, name), { recursive: true })
      await api('POST', '/api/v1/persistentvolumes', { body: volumeOf(name, join(folder, name), { metadata, spec }) })
    }
    for (const { metadata, spec, status } of await items<Volume>(api, '/api/v1/persistentvolumes')) {
      if (status.phase !== 'Released' || spec.local === undefined || basename(spec.local.path) !== metadata.name)
        continue
      await api('DELETE', `/api/v1/persistentvolumes/${metadata.name}`)
      rmSync(spec.local.path, { recursive: true, force: true })
    }
    await sleep(250)
  }
}

async function items<T>(api: Api, path: string): Promise<readonly T[]> {
  const { status, body } = await api<{ readonly items: readonly T[] }>('GET', path)
  return status === 200 ? body.items : []
}

function volumeOf(name: string, path: string, { metadata, spec }: Pick<Claim, 'metadata' | 'spec'>): object {
  return {
    metadata: { name, annotations: { 'pv.kubernetes.io/provisioned-by': provisioner } },
    spec: {
      storageClassName: spec.storageClassName,
      accessModes: spec.accessModes,
      capacity: spec.resources.requests,
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy,
      claimRef: {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        namespace: metadata.namespace,
        name: metadata.name,
        uid: metadata['uid'],
      },
      local: { path },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['node'] }] },
          ],
        },
      },
    },
  }
}
