import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

export type Image = {
  /** Repository and tag. */
  readonly name: string
  /** Folder that becomes the image's root. Owners, times and all but the executable bits of modes are not taken over. */
  readonly root: string
  /** Of an OCI image: Entrypoint, Cmd, Env, User, WorkingDir, Labels. */
  readonly config: Readonly<Record<string, unknown>>
  readonly architecture: string
}

/** Writes the image as `docker load` and `ctr images import` read it, byte for byte the same for the same files. Needs GNU tar. */
export async function writeArchive({ name, root, config, architecture }: Image, archive: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'convoke-image-'))
  try {
    const layer = join(folder, 'layer.tar')
    tar(layer, root)
    const hash = createHash('sha256')
    await pipeline(createReadStream(layer), hash)
    const digest = `sha256:${hash.digest('hex')}`
    const image = { architecture, os: 'linux', config, rootfs: { type: 'layers', diff_ids: [digest] } }
    writeFileSync(join(folder, 'config.json'), JSON.stringify(image))
    const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }]
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest))
    tar(join(folder, 'archive.part'), folder, ['config.json', 'layer.tar', 'manifest.json'])
    renameSync(join(folder, 'archive.part'), archive)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function tar(archive: string, folder: string, members: readonly string[] = ['.']): void {
  const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX']
  execFileSync('tar', ['--create', '--format=gnu', ...same, `--file=${archive}`, `--directory=${folder}`, ...members])
}
