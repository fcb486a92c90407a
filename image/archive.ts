import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

export type Image = {
  /** Repository and tag. */
  readonly name: string
  /** Folders that become the image's root, one layer each. Owners and times are not kept. */
  readonly layers: readonly string[]
  /** The config of an OCI image: Entrypoint, Cmd, Env, User, WorkingDir, Labels. */
  readonly config: Readonly<Record<string, unknown>>
  readonly architecture: string
}

/** Writes the image in the form that `docker load` and `ctr images import` read; the same files give the same bytes. Needs GNU tar. */
export async function writeArchive({ name, layers, config, architecture }: Image, archive: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'convoke-image-'))
  try {
    const tars = layers.map((_, index) => `layer-${index}.tar`)
    for (const [index, layer] of layers.entries()) tar(join(folder, tars[index]!), layer)
    const digests = await Promise.all(tars.map((path) => digestOf(join(folder, path))))
    const image = { architecture, os: 'linux', config, rootfs: { type: 'layers', diff_ids: digests } }
    writeFileSync(join(folder, 'config.json'), JSON.stringify(image))
    const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: tars }]
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest))
    tar(join(folder, 'archive.part'), folder, ['config.json', ...tars, 'manifest.json'], ['--mode=0644'])
    renameSync(join(folder, 'archive.part'), archive)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return `sha256:${hash.digest('hex')}`
}

function tar(
  archive: string,
  folder: string,
  members: readonly string[] = ['.'],
  options: readonly string[] = [],
): void {
  const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', ...options]
  execFileSync('tar', ['--create', '--format=gnu', ...same, `--file=${archive}`, `--directory=${folder}`, ...members])
}
