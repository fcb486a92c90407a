import { connect, createServer, type NetConnectOpts, type Server } from 'node:net'

/** A server, not yet listening, whose connections lead on to another. */
export function forward(to: NetConnectOpts): Server {
  return createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ ...to, allowHalfOpen: true })
    near.pipe(far)
    far.pipe(near)
    // A connection that breaks on one side has broken on both.
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
  })
}
