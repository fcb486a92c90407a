// Argo CD's settings for the kinds, from the scripts beside them; Flux's health checks.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { apiVersion, group, kindNames, type RunnableKind, runnableKinds } from '#crds'
import { withParts } from '../crds/parts.ts'

const folder = join(import.meta.dirname, '../examples/gitops/argocd')

/** What a person may do from Argo CD with a resource that Runs execute. */
function actionsOf(kind: RunnableKind): readonly string[] {
  return ['run', 'suspend', 'resume', ...(kind === 'Activation' ? ['approve'] : [])]
}

/** Texts by path from the root of the repository. */
export function gitopsFiles(): Readonly<Record<string, string>> {
  const health = kindNames.map((kind) => [
    `resource.customizations.health.${group}_${kind}`,
    script(kind === 'Run' ? 'health/run' : 'health/kind'),
  ])
  const actionsOfKinds = runnableKinds.map((kind) => [
    `resource.customizations.actions.${group}_${kind}`,
    yaml({
      'discovery.lua': script('actions/discovery'),
      definitions: actionsOf(kind).map((name) => ({ name, 'action.lua': script(`actions/${name}`) })),
    }),
  ])
  const configMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'argocd-cm', namespace: 'argocd', labels: { 'app.kubernetes.io/part-of': 'argocd' } },
    data: Object.fromEntries([...health, ...actionsOfKinds]),
  }
  return {
    'examples/gitops/flux/kustomizations.yaml': withParts(
      readFileSync(join(folder, '../flux/kustomizations.yaml'), 'utf8'),
      healthChecks,
    ),
    'examples/gitops/argocd/argocd-cm.yaml': `# Made from the scripts in health/ and actions/ by \`npm run generate\`.\n${yaml(configMap)}`,
  }
}

/** Health checks for every kind that lies in Git. */
function healthChecks(): string {
  return kindNames
    .filter((kind) => kind !== 'Run')
    .map(
      (kind) => `- apiVersion: ${apiVersion}
  kind: ${kind}
  failed: >-
    status.conditions.exists(each, each.type == 'Stalled' && each.status == 'True' || each.type == 'Ready' && each.reason == 'TooManySegments')
  current: >-
    status.conditions.exists(each, each.type == 'Ready' && (each.status == 'True' || each.reason in ['RunFailed', 'SegmentsHeld']))
`,
    )
    .join('')
}

function script(name: string): string {
  return readFileSync(join(folder, `${name}.lua`), 'utf8')
}

function yaml(value: object): string {
  return stringify(value, { lineWidth: 0 })
}
