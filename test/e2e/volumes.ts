// A namespace's claims, and the Pod by which a test writes and reads them.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cluster, manifests } from './cluster.ts'

export type Volumes = {
  /** What a script writes to standard output in a container of the product's image, with the claims under /volumes. */
  readonly exec: (script: string, input?: string) => Promise<string>
  /** Copies the files of a folder into the claim of its name. */
  readonly load: (folder: string, claim: string) => Promise<void>
  /** Paths of a claim's files. */
  readonly list: (claim: string) => Promise<readonly string[]>
  /** Contents of a claim's files, by their paths in it. */
  readonly read: (claim: string) => Promise<Readonly<Record<string, string>>>
}

/** Where the claims are in the Pod. */
const mounted = '/volumes'

/** The claims are bound when it resolves. */
export async function openVolumes(
  { kubectl, image }: Pick<Cluster, 'kubectl' | 'image'>,
  namespace: string,
  claims: readonly string[],
): Promise<Volumes> {
  const user = 65_532
  const claim = (name: string): object => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  })
  const clerk = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'clerk' },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: user,
        runAsGroup: user,
        fsGroup: user,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: 'clerk',
          image,
          command: ['/usr/bin/node', '-e', 'setInterval(() => {}, 60_000)'],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          volumeMounts: claims.map((name) => ({ name, mountPath: join(mounted, name) })),
        },
      ],
      volumes: claims.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
    },
  }
  await kubectl(['-n', namespace, 'apply', '-f', '-'], manifests(...claims.map(claim), clerk))
  await kubectl(['-n', namespace, 'wait', '--for=condition=Ready', 'pod/clerk', '--timeout=120s'])
  const exec = (script: string, input?: string): Promise<string> =>
    kubectl(['-n', namespace, 'exec', '-i', 'clerk', '--', '/usr/bin/node', '-e', script], input)
  return {
    exec,
    load: async (folder, name) => {
      const files = globSync('**', { cwd: folder, withFileTypes: true }).filter((file) => file.isFile())
      const lines = files.map(({ parentPath, name: file }) => {
        const path = join(parentPath, file)
        return JSON.stringify([path.slice(folder.length + 1), readFileSync(path, 'base64')])
      })
      await exec(
        `const { mkdirSync, readFileSync, writeFileSync } = require('node:fs')
        const { dirname, join } = require('node:path')
        for (const line of readFileSync(0, 'utf8').split('\\n')) {
          const [path, content] = JSON.parse(line)
          mkdirSync(dirname(join('${join(mounted, name)}', path)), { recursive: true })
          writeFileSync(join('${join(mounted, name)}', path), content, 'base64')
        }`,
        lines.join('\n'),
      )
    },
    list: async (name) => JSON.parse(await exec(`${filesOf(name)}; console.log(JSON.stringify(files.sort()))`)),
    read: async (name) =>
      JSON.parse(
        await exec(
          `${filesOf(name)}
          console.log(JSON.stringify(Object.fromEntries(files.map((path) => [path, readFileSync(path, 'utf8')]))))`,
        ),
      ),
  }
}

function filesOf(claim: string): string {
  return `const { globSync, readFileSync, statSync } = require('node:fs')
    process.chdir('${join(mounted, claim)}')
    const files = globSync('**').filter((path) => statSync(path).isFile())`
}
