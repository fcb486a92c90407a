// `make test` searches a little of what is open: mutants, worlds, lives by their seeds. `make soak` (SOAK=1) searches long.

/** True in `make soak`. */
export const soak = process.env['SOAK'] === '1'

/** How much a search tries: `usual` beside all other tests, `long` in `make soak`. */
export function tries(usual: number, long: number): number {
  return soak ? long : usual
}

/** Time limit of a search, in milliseconds: `usual`, and ten hours in `make soak`. */
export function patience(usual: number): number {
  return soak ? 36_000_000 : usual
}
