import { gzipSync } from 'node:zlib'

/** A packed archive (ustar) of texts by path, all with one time; a path has at most 100 bytes of ASCII. */
export function packed(files: ReadonlyMap<string, string>, at: Date): Buffer {
  const blocks = [...files].flatMap(([path, text]) => {
    const content = Buffer.from(text)
    return [header(path, content.length, at), content, Buffer.alloc((512 - (content.length % 512)) % 512)]
  })
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]))
}

function header(path: string, bytes: number, at: Date): Buffer {
  const block = Buffer.alloc(512)
  const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`
  const fields: readonly (readonly [offset: number, text: string])[] = [
    [0, path],
    [100, octal(0o644, 8)],
    [108, octal(0, 8)],
    [116, octal(0, 8)],
    [124, octal(bytes, 12)],
    [136, octal(Math.floor(at.getTime() / 1000), 12)],
    [148, ' '.repeat(8)],
    [156, '0'],
    [257, 'ustar\u000000'],
  ]
  for (const [offset, text] of fields) block.write(text, offset, 'latin1')
  block.write(
    octal(
      block.reduce((sum, byte) => sum + byte, 0),
      7,
    ),
    148,
    'latin1',
  )
  return block
}
