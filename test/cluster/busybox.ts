import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { arch, tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeArchive } from '../../image/archive.ts'

/** A shell with what it calls, for Pods that ask for something; and what holds every Pod's namespaces. */
export const busybox = 'localhost/busybox:1'

/** `program` is linked statically. */
export async function writeBusybox(program: string, archive: string): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'convoke-busybox-'))
  mkdirSync(join(root, 'bin'))
  cpSync(program, join(root, 'bin', 'busybox'))
  const applets = execFileSync(program, ['--list'], { encoding: 'utf8' }).trim().split('\n')
  for (const applet of applets) if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet))
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', root])
  const config = { Env: ['PATH=/bin'], Cmd: ['sleep', '2147483647'] }
  await writeArchive({ name: busybox, layers: [root], config, architecture: architectures[arch()]! }, archive)
  rmSync(root, { recursive: true })
}

/** Node's name for it to OCI's. */
export const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }
