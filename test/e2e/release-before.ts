// A release of the chart before today's, which did not know a field yet: its kind lacks it, and its operator does not ask for it.
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { chart } from '../chart/helm.ts'
import { type Cluster, manifests } from './cluster.ts'
import type { Volumes } from './volumes.ts'

/** A field of a kind's spec that no example has. */
export const newField = { kind: 'Activation', name: 'incrementalOn', value: 'MembershipOrAttributes' } as const

export type Release = {
  /** Path of the chart. */
  readonly chart: string
  /** With which its operators are those of their time; without them they are today's. */
  readonly values: object
}

/** The image is today's but for the operator's table of fields, which is mounted over the image's in the release's namespace. */
export async function releaseBefore(
  { kubectl }: Pick<Cluster, 'kubectl'>,
  namespace: string,
  { exec }: Volumes,
  folder: string,
): Promise<Release> {
  const copy = join(folder, 'convoke')
  cpSync(chart, copy, { recursive: true })
  change(join(copy, 'Chart.yaml'), (text) => text.replace(/^version: .*$/m, 'version: 0.0.9'))
  change(join(copy, 'files/crds/activation.yaml'), (text) => {
    const crd = parse(text)
    delete crd.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties[newField.name]
    return stringify(crd)
  })
  const entry = JSON.stringify(`spec.${newField.name}`)
  const [file, text] = JSON.parse(
    await exec(`const { readdirSync, readFileSync } = require('node:fs')
      const texts = readdirSync('/app/cli').map((file) => [file, readFileSync('/app/cli/' + file, 'utf8')])
      console.log(JSON.stringify(texts.find(([, text]) => text.includes(${JSON.stringify(entry)}))))`),
  )
  const before = text.replace(new RegExp(`${entry},?`), '')
  const configMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'release-before', namespace },
    data: { [file]: before },
  }
  await kubectl(['create', '-f', '-'], manifests(configMap))
  return {
    chart: copy,
    values: {
      extraVolumes: [{ name: 'before', configMap: { name: configMap.metadata.name } }],
      extraVolumeMounts: [{ name: 'before', mountPath: `/app/cli/${file}`, subPath: file, readOnly: true }],
    },
  }
}

function change(path: string, to: (text: string) => string): void {
  writeFileSync(path, to(readFileSync(path, 'utf8')))
}
