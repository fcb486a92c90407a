// What runs inside a node's namespaces, beside their first process: `node node-init.ts ORDER`, by node-supervisor.ts. It writes inside.json into the
// folder when Pods can run, or failed.txt. Addresses are the same for every node: none is seen outside.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Api, apiOf } from './api.ts'
import { busybox, writeBusybox } from './busybox.ts'
import { type Children, childrenIn, publish } from './children.ts'
import { type ControlPlane, startControlPlane, writeKubeconfig } from './control-plane.ts'
import { forward } from './forward.ts'
import {
  nodeAddress as address,
  apiSocket,
  auditLog,
  containerdSocket,
  importImages,
  type NodeParts,
  nodeStartSeconds,
} from './node.ts'
import { provideVolumes, storageClass } from './storage.ts'

export type InitOrder = {
  readonly folder: string
  readonly parts: NodeParts
  /** Name of the cgroup under which the Pods' are, in every hierarchy. */
  readonly cgroup: string
}

const { folder, parts, cgroup }: InitOrder = JSON.parse(process.argv[2]!)
const { programs, tools, plugins } = parts
const children = childrenIn(folder)

const dns = '10.96.0.10'
const pods = '10.244.0.0/16'
const kubeletToken = 'kubelet'

process.on('uncaughtException', children.fail)
try {
  setUp()
  startContainerd()
  const controlPlane = await startControlPlane(children, programs, {
    url: `https://${address}:6443`,
    flags: {
      'bind-address': '0.0.0.0',
      'secure-port': '6443',
      'advertise-address': address,
      'kubelet-preferred-address-types': 'InternalIP',
      'enable-admission-plugins': 'NodeRestriction',
      'allow-privileged': 'true',
      'audit-log-path': join(folder, auditLog),
      'audit-policy-file': auditPolicy(),
    },
    users: [`${kubeletToken},system:node:node,node,system:nodes`],
  })
  startKubelet(controlPlane)
  startProxy(controlPlane)
  startDns(controlPlane)
  const api = await apiOf(controlPlane.kubeconfig)
  await addObjects(api)
  await ready(children, api)
  forward({ host: address, port: 6443 }).listen(join(folder, apiSocket))
  publish(join(folder, 'inside.json'), JSON.stringify(controlPlane))
  await Promise.all([provideVolumes(api, join(folder, 'volumes')), letOut()])
} catch (error) {
  children.fail(error)
}

/** Mounts, addresses and limits. All but the cgroups go with the namespaces. */
function setUp(): void {
  const mount = (...args: string[]): void => void execFileSync('mount', args)
  // Pods' mounts reach containers, and nothing reaches the machine's own tree.
  mount('--make-rslave', '/')
  mount('--make-rshared', '/')
  mount('-t', 'tmpfs', 'run', '/run')
  for (const path of ['/var/log', '/var/lib/cni', '/var/lib/kubelet']) {
    const own = join(folder, path)
    mkdirSync(own, { recursive: true })
    mkdirSync(path, { recursive: true })
    mount('--bind', own, path)
  }
  // kubelet would set these of the machine's kernel, which has no namespaces for them.
  for (const [name, value] of Object.entries({
    'vm/overcommit_memory': 1,
    'vm/panic_on_oom': 0,
    'kernel/panic': 10,
    'kernel/panic_on_oops': 1,
    'kernel/keys/root_maxkeys': 1_000_000,
    'kernel/keys/root_maxbytes': 25_000_000,
  })) {
    const own = join(folder, 'sysctl', name)
    mkdirSync(dirname(own), { recursive: true })
    writeFileSync(own, String(value))
    mount('--bind', own, join('/proc/sys', name))
  }
  const ip = (...args: string[]): void => void execFileSync(tools.ip, args)
  ip('link', 'set', 'lo', 'up')
  ip('address', 'add', `${address}/32`, 'dev', 'lo')
  // Services' addresses have a way, or what iptables makes of them is never asked.
  ip('route', 'add', '10.96.0.0/16', 'dev', 'lo', 'src', address)
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1')
  const hierarchies = existsSync('/sys/fs/cgroup/cgroup.controllers')
    ? ['/sys/fs/cgroup']
    : readFileSync('/proc/mounts', 'utf8')
        .split('\n')
        .map((line) => line.split(' '))
        .filter(([, , type]) => type === 'cgroup')
        .map(([, path]) => path!)
  for (const hierarchy of hierarchies) mkdirSync(join(hierarchy, cgroup), { recursive: true })
}

/** Path of a file that says what is worth a line: what the programs that Pods run ask for. */
function auditPolicy(): string {
  const path = join(folder, 'audit-policy.json')
  const rules = [{ level: 'Metadata', userGroups: ['system:serviceaccounts'] }, { level: 'None' }]
  const policy = { apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages: ['RequestReceived'], rules }
  writeFileSync(path, JSON.stringify(policy))
  return path
}

function startContainerd(): void {
  const isOverlay = execFileSync('stat', ['-f', '-c', '%T', folder], { encoding: 'utf8' }).trim() === 'overlayfs'
  const network = join(folder, 'cni')
  mkdirSync(network)
  const plugin = {
    // A link for each Pod, not a bridge: what goes from Pod to Pod by a Service passes iptables both ways.
    type: 'ptp',
    ipam: { type: 'host-local', ranges: [[{ subnet: pods }]], routes: [{ dst: '0.0.0.0/0' }] },
  }
  writeFileSync(
    join(network, 'pods.conflist'),
    JSON.stringify({ cniVersion: '1.0.0', name: 'pods', plugins: [plugin] }),
  )
  const config = join(folder, 'containerd.toml')
  writeFileSync(
    config,
    `version = 3
root = '${join(folder, 'containerd')}'
state = '/run/containerd'
disabled_plugins = ['io.containerd.nri.v1.nri']
[grpc]
address = '${join(folder, containerdSocket)}'
[plugins.'io.containerd.internal.v1.opt']
path = '${join(folder, 'opt')}'
[plugins.'io.containerd.cri.v1.images']
snapshotter = '${isOverlay ? 'native' : 'overlayfs'}'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '${busybox}'
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['${plugins}']
conf_dir = '${network}'
`,
  )
  const path = [dirname(programs['containerd-shim-runc-v2']), dirname(tools.runc), process.env['PATH']].join(':')
  children.start('containerd', programs.containerd, { config }, { PATH: path })
}

function startKubelet({ url, ca }: ControlPlane): void {
  const kubeconfig = join(folder, 'kubelet.kubeconfig')
  writeKubeconfig(kubeconfig, { url, ca, token: kubeletToken })
  const resolvConf = join(folder, 'resolv.conf')
  writeFileSync(resolvConf, `nameserver ${address}\n`)
  const config = join(folder, 'kubelet.json')
  writeFileSync(
    config,
    JSON.stringify({
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      // Only what is on this node can ask it.
      authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
      authorization: { mode: 'AlwaysAllow' },
      containerRuntimeEndpoint: `unix://${join(folder, containerdSocket)}`,
      cgroupDriver: 'cgroupfs',
      cgroupRoot: `/${cgroup}`,
      enforceNodeAllocatable: [],
      failCgroupV1: false,
      failSwapOn: false,
      clusterDNS: [dns],
      clusterDomain: 'cluster.local',
      resolvConf,
      // A full disk of the machine is not this node's to clear.
      evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
      imageGCHighThresholdPercent: 100,
    }),
  )
  children.start('kubelet', programs.kubelet, {
    config,
    kubeconfig,
    'hostname-override': 'node',
    'node-ip': address,
  })
}

function startProxy({ kubeconfig }: ControlPlane): void {
  const config = join(folder, 'kube-proxy.json')
  writeFileSync(
    config,
    JSON.stringify({
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      mode: 'iptables',
      clientConnection: { kubeconfig },
      hostnameOverride: 'node',
      clusterCIDR: pods,
      conntrack: { maxPerCore: 0, min: 0 },
    }),
  )
  const path = [dirname(tools.iptables), process.env['PATH']].join(':')
  children.start('kube-proxy', programs['kube-proxy'], { config }, { PATH: path })
}

function startDns({ kubeconfig }: ControlPlane): void {
  const conf = join(folder, 'Corefile')
  writeFileSync(
    conf,
    `.:53 {
  bind ${address}
  errors
  ready ${address}:8181
  kubernetes cluster.local {
    kubeconfig ${kubeconfig} test
  }
  # There is no world outside.
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`,
  )
  children.start('coredns', programs.coredns, { conf })
}

async function addObjects(api: Api): Promise<void> {
  const metadata = { name: 'kube-dns', namespace: 'kube-system' }
  const ports = ['UDP', 'TCP'].map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: 53 }))
  const objects = {
    '/api/v1/namespaces/kube-system/services': { metadata, spec: { clusterIP: dns, ports } },
    '/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices': {
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kube-dns' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
      ports,
    },
    '/apis/storage.k8s.io/v1/storageclasses': storageClass,
  }
  for (const [path, object] of Object.entries(objects)) {
    // The namespace is made by the API server itself, soon.
    for (;;) {
      const { status, body } = await api('POST', path, { body: object })
      if (status === 201) break
      if (status !== 404) throw new Error(`POST ${path}: ${JSON.stringify(body)}`)
      await sleep(100)
    }
  }
}

type Condition = { readonly type: string; readonly status: string }

async function ready(children: Children, api: Api): Promise<void> {
  await until(() => existsSync(join(folder, containerdSocket)))
  const archive = join(folder, 'busybox.tar')
  await writeBusybox(tools.busybox, archive)
  importImages(programs.ctr, folder, archive)
  await until(async () => {
    const { body } = await api<{ readonly status?: { readonly conditions?: readonly Condition[] } }>(
      'GET',
      '/api/v1/nodes/node',
    )
    return body.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
  })
  await until(async () => (await api('GET', '/api/v1/namespaces/default/serviceaccounts/default')).status === 200)
  await until(async () => (await fetch(`http://${address}:8181/ready`).catch(() => null))?.ok ?? false)

  async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
    for (const end = Date.now() + nodeStartSeconds * 1000; !(await isTrue()); await sleep(50)) {
      children.check()
      if (Date.now() > end) throw new Error(`The node was not ready within ${nodeStartSeconds} s`)
    }
  }
}

/** Without end: each socket that a test puts into the folder is a port here. */
async function letOut(): Promise<never> {
  const open = new Set<string>()
  for (;;) {
    for (const path of globSync(join(folder, 'port-*.sock')).filter((found) => !open.has(found))) {
      open.add(path)
      const port = Number(/port-(\d+)/.exec(basename(path))![1])
      await once(forward({ path }).listen(port, address), 'listening')
      publish(`${path}.open`, '')
    }
    await sleep(100)
  }
}
