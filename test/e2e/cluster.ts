// A real node with the programs that people have beside it: kubectl, Helm and convoke.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Kind, ResourceByKind } from '#crds'
import { fine, pathOf } from '../api/convoke.ts'
import { type Api, apiOf } from '../cluster/api.ts'
import { findPrograms, type Skip } from '../cluster/binaries.ts'
import { productImage } from '../cluster/image.ts'
import { sharedNode } from '../cluster/node.ts'

export type Outcome = { readonly code: number; readonly out: string; readonly err: string }

export type Cluster = {
  readonly api: Api
  /** Of Convoke, known to the node. */
  readonly image: string
  /** What it writes to standard output; it throws what it writes to standard error where it ends with another code than 0. */
  readonly kubectl: (args: readonly string[], input?: string) => Promise<string>
  readonly helm: (args: readonly string[], values?: object) => Promise<string>
  readonly convoke: (...args: readonly string[]) => Promise<Outcome>
  /** Where Pods find a port of this machine's loopback. */
  readonly reach: (port: number) => Promise<{ readonly host: string; readonly port: number }>
  /** Path of the API server's audit log, of what service accounts ask. */
  readonly audit: string
}

export async function openCluster(): Promise<Cluster | Skip> {
  const node = await sharedNode()
  if ('skip' in node) return node
  const { kubeconfig, reach, audit } = node
  if (reach === null || audit === null)
    return { skip: "Campaign is on this machine's loopback, which only Pods of the harness's own node reach" }
  const image = await productImage()
  if ('skip' in image) return image
  const programs = await findPrograms(['kubectl', 'helm'])
  if ('skip' in programs) return programs
  if (image.archive !== null) await node.load(image.archive)
  const env = { ...process.env, KUBECONFIG: kubeconfig, NO_COLOR: '1' }
  const ran = async (program: string, args: readonly string[], input?: string): Promise<string> => {
    const { code, out, err } = await run(program, args, { env, input })
    if (code !== 0) throw new Error(`${[program, ...args].join(' ')} ended with ${code}: ${err}${out}`)
    return out
  }
  return {
    api: await apiOf(kubeconfig),
    image: image.name,
    kubectl: (args, input) => ran(programs.kubectl, args, input),
    helm: (args, values) =>
      values === undefined
        ? ran(programs.helm, args)
        : ran(programs.helm, [...args, '--values', '-'], JSON.stringify(values)),
    convoke: (...args) => run(join(import.meta.dirname, '../../bin/convoke'), args, { env }),
    reach,
    audit,
  }
}

/** Never by waiting for it as a whole: what Pods reach by `reach` goes through this process. */
function run(
  program: string,
  args: readonly string[],
  { env, input = '' }: { readonly env: NodeJS.ProcessEnv; readonly input?: string | undefined },
): Promise<Outcome> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { env })
    const [out, err]: [Buffer[], Buffer[]] = [[], []]
    child.stdout.on('data', (part: Buffer) => out.push(part))
    child.stderr.on('data', (part: Buffer) => err.push(part))
    child.on('error', fail)
    // One that ends before it has read all of it says so by its exit code.
    child.stdin.on('error', () => {})
    child.on('close', (code) =>
      done({ code: code ?? -1, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() }),
    )
    child.stdin.end(input)
  })
}

/** For `kubectl apply -f -`. */
export function manifests(...objects: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
}

/** Convoke's resources of one namespace. */
export type Resources = {
  readonly get: <K extends Kind>(kind: K, name: string) => Promise<ResourceByKind[K]>
  readonly list: <K extends Kind>(kind: K) => Promise<readonly ResourceByKind[K][]>
  readonly apply: (...resources: readonly object[]) => Promise<void>
  /** A JSON merge patch. */
  readonly patch: (kind: Kind, name: string, changes: object) => Promise<void>
}

export function resourcesIn({ api, kubectl }: Pick<Cluster, 'api' | 'kubectl'>, namespace: string): Resources {
  return {
    get: (kind, name) => fine(api('GET', `${pathOf(kind, namespace)}/${name}`)),
    list: async <K extends Kind>(kind: K) =>
      (await fine(api<{ readonly items: readonly ResourceByKind[K][] }>('GET', pathOf(kind, namespace)))).items,
    apply: async (...resources) =>
      void (await kubectl(['-n', namespace, 'apply', '--server-side', '-f', '-'], manifests(...resources))),
    patch: async (kind, name, changes) =>
      void (await fine(
        api('PATCH', `${pathOf(kind, namespace)}/${name}`, {
          body: changes,
          contentType: 'application/merge-patch+json',
        }),
      )),
  }
}
