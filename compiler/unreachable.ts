/** For the `default` branch of an exhaustive switch: a new variant becomes a type error at each such switch. */
export function unreachable(value: never): never {
  throw new Error(`Fault in Convoke: unreachable variant ${JSON.stringify(value)}. Please report it.`)
}
