/** A map that forgets entries that were neither set nor asked for since the turn before the last. */
export class Recent<K, V> {
  private recent = new Map<K, V>()
  private earlier = new Map<K, V>()

  get(key: K): V | undefined {
    const known = this.recent.get(key)
    if (known !== undefined) return known
    const remembered = this.earlier.get(key)
    if (remembered !== undefined) this.recent.set(key, remembered)
    return remembered
  }

  set(key: K, value: V): void {
    this.recent.set(key, value)
  }

  /** The remembered values, in no order; one may occur twice. */
  values(): readonly V[] {
    return [...this.earlier.values(), ...this.recent.values()]
  }

  turn(): void {
    this.earlier = this.recent
    this.recent = new Map()
  }
}
