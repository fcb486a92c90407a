import { open } from 'node:fs/promises'

/**
 * The bytes of a file, in pieces of at most `most` bytes. A small file is one piece and takes no more memory than that: a stream's
 * buffers, made anew for each of thousands of small files, would keep the garbage collector busy.
 */
export async function* bytesOf(path: string, start = 0, most = 1 << 18): AsyncGenerator<Buffer> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    for (let at = start; ; ) {
      // One byte more than is left: a read that returns fewer has come to the end.
      const wanted = at > size ? most : Math.min(most, size - at + 1)
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(wanted), 0, wanted, at)
      if (bytesRead > 0) yield buffer.subarray(0, bytesRead)
      if (bytesRead === 0 || (bytesRead < wanted && at + bytesRead >= size)) return
      at += bytesRead
    }
  } finally {
    await file.close()
  }
}
