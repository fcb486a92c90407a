// The API server for tests that play a part in it: an answer that is no success throws with its status.
import { bodyText, type Transport } from '../../operator/kernel/transport.ts'

export type Api = <T>(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object) => Promise<T>

/** PATCH is a merge patch. */
export function fineApi(transport: Transport): Api {
  return async <T>(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object) => {
    const [root, search] = path.split('?') as [string, string?]
    const answer = await transport({
      method,
      path: root,
      ...(search !== undefined && { query: Object.fromEntries(new URLSearchParams(search)) }),
      ...(body && { body }),
      ...(method === 'PATCH' && { contentType: 'application/merge-patch+json' }),
      signal: AbortSignal.timeout(30_000),
    })
    const text = await bodyText(answer)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`)
    // What the caller says it is; a test that is wrong about that fails at what it expects.
    return JSON.parse(text) as T
  }
}

/** Of an answer that no server gave. */
export async function* bodyOf(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text)
}
