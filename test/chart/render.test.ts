// What Helm makes of values: by table, and taken by a real API server.
import { beforeAll, describe, expect, test } from 'vitest'
import { openCluster } from '../api/convoke.ts'
import { refusalOf } from './dry-run.ts'
import { hasHelm, type Manifest, only, render, type Target } from './helm.ts'
import { installNeighbours } from './neighbours.ts'

const cluster = await openCluster()

const digest = `sha256:${'0a'.repeat(32)}`

/** `Kind/name` → what is in it (as toMatchObject has it), or null where there is no such object. */
type Expected = Readonly<Record<string, object | null>>

const operator = (container: object, pod: object = {}): object => ({
  spec: { template: { spec: { containers: [container], ...pod } } },
})
const args = (...expected: readonly string[]): object => operator({ args: expect.arrayContaining([...expected]) })

const table: readonly (readonly [title: string, values: object, expected: Expected, target?: Target])[] = [
  [
    'nothing: two operators that a drain leaves one of, restricted, with the CRDs',
    {},
    {
      'Deployment/convoke': {
        spec: {
          replicas: 2,
          template: {
            spec: {
              serviceAccountName: 'convoke',
              securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
              containers: [
                {
                  image: 'ghcr.io/convoke-dev/convoke:0.1.0',
                  securityContext: {
                    allowPrivilegeEscalation: false,
                    readOnlyRootFilesystem: true,
                    capabilities: { drop: ['ALL'] },
                  },
                  livenessProbe: { httpGet: { path: '/healthz', port: 'health' } },
                  readinessProbe: { httpGet: { path: '/readyz', port: 'health' } },
                },
              ],
            },
          },
        },
      },
      'PodDisruptionBudget/convoke': { spec: { maxUnavailable: 1 } },
      'NetworkPolicy/convoke': { spec: { policyTypes: ['Ingress', 'Egress'] } },
      'CustomResourceDefinition/segments.convoke.dev': {
        metadata: { annotations: { 'helm.sh/resource-policy': 'keep' } },
      },
      'ServiceAccount/convoke': { automountServiceAccountToken: false },
      // What asks for more than a plain cluster has is off.
      'ServiceMonitor/convoke-metrics': null,
      'PrometheusRule/convoke': null,
      'ValidatingWebhookConfiguration/convoke-webhook': null,
      'ValidatingAdmissionPolicy/convoke-limits-activations': null,
      'PriorityClass/convoke-operator': null,
      'NetworkPolicy/convoke-jobs': null,
    },
  ],
  ['no CRDs', { crds: { install: false } }, { 'CustomResourceDefinition/segments.convoke.dev': null }],
  [
    'CRDs that go with the release, and are annotated',
    { crds: { keep: false, annotations: { 'argocd.argoproj.io/sync-wave': '-5' } } },
    {
      'CustomResourceDefinition/runs.convoke.dev': {
        metadata: { annotations: { 'argocd.argoproj.io/sync-wave': '-5' } },
      },
    },
  ],
  [
    'a digest: Jobs run exactly the image of the operator',
    { image: { repository: 'registry.example/convoke', tag: 'ignored', digest } },
    {
      'Deployment/convoke': operator({
        image: `registry.example/convoke@${digest}`,
        args: expect.arrayContaining([`--job-image=registry.example/convoke@${digest}`]),
      }),
      'Pod/convoke-test': { spec: { containers: [{ image: `registry.example/convoke@${digest}` }] } },
    },
  ],
  [
    'Jobs of their own image, priority and account',
    { jobs: { image: 'registry.example/jobs:2', priorityClassName: 'batch', serviceAccountName: 'audiences' } },
    {
      'Deployment/convoke': args(
        '--job-image=registry.example/jobs:2',
        '--job-priority-class=batch',
        '--job-service-account=audiences',
      ),
      'Pod/convoke-test': { spec: { containers: [{ image: 'registry.example/jobs:2' }] } },
    },
  ],
  [
    'a release by another name: names follow, and every object is in the namespace',
    { commonLabels: { team: 'crm' } },
    {
      'Deployment/audiences-convoke': {
        metadata: { namespace: 'crm', labels: { team: 'crm' } },
        spec: { template: { metadata: { labels: { team: 'crm' } } } },
      },
      'ClusterRole/audiences-convoke': {},
    },
    { release: 'audiences', namespace: 'crm' },
  ],
  [
    'a full name',
    { fullnameOverride: 'cdp', serviceAccount: { create: false, name: 'given' } },
    {
      'Deployment/cdp': operator({}, { serviceAccountName: 'given' }),
      'ServiceAccount/given': null,
      'ClusterRoleBinding/cdp': { subjects: [{ name: 'given' }] },
    },
  ],
  [
    'namespaces: the operator and its Roles are told, and no ClusterRole gives more',
    { watchNamespaces: ['emea', 'apac'] },
    {
      'Deployment/convoke': args('--namespace=emea', '--namespace=apac'),
      'ClusterRole/convoke': null,
      'ClusterRoleBinding/convoke': null,
    },
  ],
  ['a shard', { shard: 'region in (emea,apac)' }, { 'Deployment/convoke': args('--shard=region in (emea,apac)') }],
  [
    'how Jobs are run',
    {
      concurrency: 4,
      image: { pullPolicy: 'Always' },
      jobs: { pullPolicy: 'Never', pullSecrets: ['registry', 'mirror'], deadlineSeconds: 600 },
    },
    {
      'Deployment/convoke': args(
        '--job-pull-policy=Never',
        '--job-pull-secret=registry',
        '--job-pull-secret=mirror',
        '--job-deadline=600',
        '--concurrency=4',
      ),
    },
  ],
  [
    'everything that a Pod can be given',
    {
      replicas: 3,
      podLabels: { sidecar: 'no', 'app.kubernetes.io/component': 'mine' },
      podAnnotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true' },
      extraArgs: ['--kubeconfig=/etc/kube/config'],
      extraEnv: [{ name: 'HTTPS_PROXY', value: 'http://proxy:3128' }],
      extraEnvFrom: [{ secretRef: { name: 'more' } }],
      extraVolumes: [{ name: 'kube', secret: { secretName: 'kube' } }],
      extraVolumeMounts: [{ name: 'kube', mountPath: '/etc/kube', readOnly: true }],
      imagePullSecrets: [{ name: 'registry' }],
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      tolerations: [{ key: 'control', operator: 'Exists' }],
      affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
      topologySpreadConstraints: [{ maxSkew: 2, topologyKey: 'rack', whenUnsatisfiable: 'DoNotSchedule' }],
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0 } },
      priorityClassName: 'system-cluster-critical',
      resources: { requests: { cpu: 1 } },
      podDisruptionBudget: { maxUnavailable: '34%' },
      priorityClasses: { create: true },
    },
    {
      'Deployment/convoke': {
        spec: {
          replicas: 3,
          strategy: { rollingUpdate: { maxUnavailable: 0 } },
          template: {
            // The selector's own labels cannot be taken away.
            metadata: { labels: { sidecar: 'no', 'app.kubernetes.io/component': 'operator' } },
            spec: {
              priorityClassName: 'system-cluster-critical',
              imagePullSecrets: [{ name: 'registry' }],
              nodeSelector: { 'kubernetes.io/os': 'linux' },
              tolerations: [{ key: 'control', operator: 'Exists' }],
              topologySpreadConstraints: [
                {
                  maxSkew: 2,
                  topologyKey: 'rack',
                  labelSelector: { matchLabels: { 'app.kubernetes.io/name': 'convoke' } },
                },
              ],
              containers: [
                {
                  args: expect.arrayContaining(['--kubeconfig=/etc/kube/config', '--job-priority-class=convoke-jobs']),
                  env: expect.arrayContaining([{ name: 'HTTPS_PROXY', value: 'http://proxy:3128' }]),
                  envFrom: [{ secretRef: { name: 'more' } }],
                  volumeMounts: expect.arrayContaining([{ name: 'kube', mountPath: '/etc/kube', readOnly: true }]),
                },
              ],
            },
          },
        },
      },
      'PodDisruptionBudget/convoke': { spec: { maxUnavailable: '34%' } },
      'PriorityClass/convoke-operator': { value: 1000000 },
      'PriorityClass/convoke-jobs': { value: 0, preemptionPolicy: 'Never' },
    },
  ],
  [
    'no budget and no policy',
    { podDisruptionBudget: { enabled: false }, networkPolicy: { operator: { enabled: false } } },
    { 'PodDisruptionBudget/convoke': null, 'NetworkPolicy/convoke': null },
  ],
  [
    "networks: an operator that talks to the API server, and Jobs that talk to stores, in each of the operator's namespaces",
    {
      watchNamespaces: ['emea'],
      networkPolicy: {
        operator: {
          apiServerPorts: [6443],
          apiServerCIDRs: ['10.0.0.1/32'],
          metricsFrom: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
        },
        jobs: { enabled: true, ports: [9000], to: [{ ipBlock: { cidr: '10.1.0.0/16' } }] },
        dnsPorts: [53, 5353],
      },
    },
    {
      'NetworkPolicy/convoke': {
        spec: {
          ingress: [
            {
              ports: [{ port: 'metrics' }],
              from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
            },
          ],
          egress: [
            {
              ports: [
                { protocol: 'UDP', port: 53 },
                { protocol: 'TCP', port: 53 },
                { protocol: 'UDP', port: 5353 },
                { protocol: 'TCP', port: 5353 },
              ],
            },
            { ports: [{ protocol: 'TCP', port: 6443 }], to: [{ ipBlock: { cidr: '10.0.0.1/32' } }] },
          ],
        },
      },
      'NetworkPolicy/convoke-jobs': {
        metadata: { namespace: 'emea' },
        spec: {
          podSelector: {
            matchLabels: { 'app.kubernetes.io/managed-by': 'convoke' },
            matchExpressions: [{ key: 'convoke.dev/run', operator: 'Exists' }],
          },
          ingress: [],
          egress: [{}, { ports: [{ protocol: 'TCP', port: 9000 }], to: [{ ipBlock: { cidr: '10.1.0.0/16' } }] }],
        },
      },
    },
  ],
  [
    'monitoring of the Service, with alerts and a dashboard',
    {
      metrics: {
        port: 9090,
        service: { annotations: { 'prometheus.io/scrape': 'true' } },
        serviceMonitor: {
          enabled: true,
          labels: { release: 'prometheus' },
          interval: '1m30s',
          relabelings: [{ action: 'labeldrop', regex: 'pod' }],
        },
        prometheusRule: {
          enabled: true,
          labels: { release: 'prometheus' },
          alertLabels: { team: 'crm', severity: 'page' },
          disabled: ['ConvokeQueueGrows'],
          extraRules: [{ record: 'convoke:leaders', expr: 'sum(leader_election_master_status)' }],
        },
        dashboard: { enabled: true, annotations: { grafana_folder: 'Audiences' } },
      },
    },
    {
      'Service/convoke-metrics': { spec: { clusterIP: 'None', ports: [{ port: 9090, targetPort: 'metrics' }] } },
      'ServiceMonitor/convoke-metrics': {
        metadata: { labels: { release: 'prometheus' } },
        spec: {
          selector: { matchLabels: { 'app.kubernetes.io/component': 'metrics' } },
          endpoints: [{ port: 'metrics', interval: '1m30s', honorLabels: true }],
        },
      },
      'PrometheusRule/convoke': {
        spec: {
          groups: [
            {
              rules: expect.arrayContaining([
                expect.objectContaining({
                  alert: 'ConvokeNoLeader',
                  labels: { severity: 'page', team: 'crm' },
                  expr: expect.stringContaining('job=~"(.+/)?convoke-metrics"'),
                }),
                { record: 'convoke:leaders', expr: 'sum(leader_election_master_status)' },
              ]),
            },
          ],
        },
      },
      'ConfigMap/convoke-dashboard': { metadata: { labels: { grafana_dashboard: '1' } } },
      'Deployment/convoke': args('--metrics-port=9090'),
      'PodMonitor/convoke-metrics': null,
    },
  ],
  [
    'monitoring of Pods, without a Service',
    { metrics: { service: { enabled: false }, podMonitor: { enabled: true, labels: { release: 'prometheus' } } } },
    {
      'Service/convoke-metrics': null,
      'PodMonitor/convoke-metrics': {
        metadata: { labels: { release: 'prometheus' } },
        spec: { podMetricsEndpoints: [{ port: 'metrics', honorLabels: true }] },
      },
    },
  ],
  [
    'limits of the organization',
    {
      admissionPolicy: {
        enabled: true,
        limits: { segments: 100, allowWarn: true },
        actions: ['Warn', 'Audit'],
        namespaceSelector: { matchLabels: { audiences: 'yes' } },
      },
    },
    {
      'ConfigMap/convoke-limits': { data: { segments: '100', attributes: '20', allowWarn: 'true' } },
      'ValidatingAdmissionPolicy/convoke-limits-activations': {},
      'ValidatingAdmissionPolicyBinding/convoke-limits-campaigninstances': {
        spec: {
          validationActions: ['Warn', 'Audit'],
          matchResources: { namespaceSelector: { matchLabels: { audiences: 'yes' } } },
        },
      },
    },
  ],
  [
    'a webhook that signs itself: nobody is stopped while it does not answer',
    { webhook: { enabled: true, port: 10250 }, watchNamespaces: ['emea'] },
    {
      'Deployment/convoke': operator({
        args: expect.arrayContaining(['--webhook-port=10250', '--webhook-certs=/etc/convoke/webhook']),
        ports: expect.arrayContaining([{ name: 'webhook', containerPort: 10250 }]),
      }),
      'Secret/convoke-webhook-tls': { type: 'kubernetes.io/tls' },
      'NetworkPolicy/convoke': { spec: { ingress: [{}, { ports: [{ port: 'webhook' }] }] } },
      'ValidatingWebhookConfiguration/convoke-webhook': {
        webhooks: [
          {
            failurePolicy: 'Ignore',
            sideEffects: 'None',
            clientConfig: { service: { name: 'convoke-webhook', namespace: 'convoke', path: '/validate' } },
            namespaceSelector: { matchExpressions: [{ key: 'kubernetes.io/metadata.name', values: ['emea'] }] },
          },
        ],
      },
    },
  ],
  [
    "a webhook with cert-manager's certificate",
    { webhook: { enabled: true, certificates: { mode: 'CertManager' } } },
    {
      'Secret/convoke-webhook-tls': null,
      'Issuer/convoke-webhook': { spec: { selfSigned: {} } },
      'Certificate/convoke-webhook': {
        spec: { secretName: 'convoke-webhook-tls', issuerRef: { name: 'convoke-webhook', kind: 'Issuer' } },
      },
      'ValidatingWebhookConfiguration/convoke-webhook': {
        metadata: { annotations: { 'cert-manager.io/inject-ca-from': 'convoke/convoke-webhook' } },
      },
    },
  ],
  [
    "a webhook with cert-manager's certificate of an issuer that is there",
    {
      webhook: {
        enabled: true,
        certificates: { mode: 'CertManager', issuerRef: { name: 'ca', kind: 'ClusterIssuer' } },
      },
    },
    {
      'Issuer/convoke-webhook': null,
      'Certificate/convoke-webhook': { spec: { issuerRef: { name: 'ca', kind: 'ClusterIssuer' } } },
    },
  ],
  [
    'a webhook with a certificate of your own',
    {
      webhook: {
        enabled: true,
        failurePolicy: 'Fail',
        certificates: { mode: 'Secret', secretName: 'own', caBundle: 'PEM' },
      },
    },
    {
      'Deployment/convoke': operator(
        {},
        {
          volumes: expect.arrayContaining([{ name: 'webhook-certs', secret: { secretName: 'own' } }]),
        },
      ),
      'ValidatingWebhookConfiguration/convoke-webhook': {
        webhooks: [{ failurePolicy: 'Fail', clientConfig: { caBundle: Buffer.from('PEM').toString('base64') } }],
      },
    },
  ],
]

describe.skipIf(!hasHelm)('the chart with', () => {
  let hasNeighbours = false
  beforeAll(async () => {
    if (cluster !== null) hasNeighbours = await installNeighbours(cluster, ['prometheus', 'certManager'])
  })

  test.each(table.map((row) => [row[0], row] as const))('%s', async (_, [, values, expected, target]) => {
    const manifests = render(values, target)
    const keys = manifests.map(keyOf)
    for (const [key, part] of Object.entries(expected))
      if (part === null) expect(keys).not.toContain(key)
      else expect(only(manifests, ...splitKey(key))).toMatchObject(part)
    const places = manifests.map((manifest) => `${manifest.metadata.namespace ?? ''}/${keyOf(manifest)}`)
    expect([...new Set(places)]).toEqual(places)
    if (cluster === null) return
    const namespace = await cluster.namespace()
    for (const manifest of manifests) {
      if (!hasNeighbours && /monitoring\.coreos\.com|cert-manager\.io/.test(manifest.apiVersion)) continue
      expect([keyOf(manifest), await refusalOf(cluster.api, manifest, namespace)]).toEqual([keyOf(manifest), null])
    }
  })

  test('CRDs that go with the release have nothing that keeps them', () => {
    const crd = only(render({ crds: { keep: false } }), 'CustomResourceDefinition', 'segments.convoke.dev')
    expect(crd.metadata.annotations).toBeUndefined()
  })

  test('an alert that is left out is not there', () => {
    const disabled = ['ConvokeQueueGrows', 'ConvokeNoLeader']
    const { groups } = only(render({ metrics: { prometheusRule: { enabled: true, disabled } } }), 'PrometheusRule')[
      'spec'
    ]
    expect(groups[0].rules.map(({ alert }: { alert: string }) => alert)).not.toEqual(expect.arrayContaining(disabled))
  })
})

function keyOf({ kind, metadata }: Manifest): string {
  return `${kind}/${metadata.name}`
}

function splitKey(key: string): [kind: string, name: string] {
  const [kind, name] = key.split('/')
  return [kind!, name!]
}
