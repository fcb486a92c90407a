// Argo CD's settings for the kinds, from the scripts beside them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { group, kinds } from '#crds'

const folder = join(import.meta.dirname, '../examples/gitops/argocd')

/** Kinds that run, and what a person may do with one from Argo CD. */
const actions = {
  Activation: ['run', 'suspend', 'resume', 'approve'],
  ProfileStore: ['run', 'suspend', 'resume'],
  CampaignSource: ['run', 'suspend', 'resume'],
} as const

/** Path from the root of the repository → text. */
export function gitopsFiles(): Readonly<Record<string, string>> {
  const health = Object.keys(kinds).map((kind) => [
    `resource.customizations.health.${group}_${kind}`,
    script(kind === 'Run' ? 'health/run' : 'health/kind'),
  ])
  const actionsOfKinds = Object.entries(actions).map(([kind, names]) => [
    `resource.customizations.actions.${group}_${kind}`,
    yaml({
      'discovery.lua': script('actions/discovery'),
      definitions: names.map((name) => ({ name, 'action.lua': script(`actions/${name}`) })),
    }),
  ])
  const configMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'argocd-cm', namespace: 'argocd', labels: { 'app.kubernetes.io/part-of': 'argocd' } },
    data: Object.fromEntries([...health, ...actionsOfKinds]),
  }
  return {
    'examples/gitops/argocd/argocd-cm.yaml': `# Made from the scripts in health/ and actions/ by \`npm run generate\`.\n${yaml(configMap)}`,
  }
}

function script(name: string): string {
  return readFileSync(join(folder, `${name}.lua`), 'utf8')
}

function yaml(value: object): string {
  return stringify(value, { lineWidth: 0 })
}
