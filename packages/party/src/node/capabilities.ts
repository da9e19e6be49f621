/**
 * Capabilities by name, as apps and rules say them, and as bits, as records hold them.
 */
import { CAPABILITY } from '../core/records.js'
import { typeError } from '../errors.js'
import type { Capability } from '../types.js'

const NAMES = Object.keys(CAPABILITY) as Capability[]

/** @throws {TypeError} `ERR_PARTY_BAD_OPTION` for a name that is none, or an empty list. */
export function capabilityBits(names: readonly Capability[]): number {
  let bits = 0
  for (const name of names) {
    if (!Object.hasOwn(CAPABILITY, name)) {
      throw typeError('ERR_PARTY_BAD_OPTION', `there is no capability ${String(name)}`)
    }
    bits |= CAPABILITY[name]
  }
  if (bits === 0) throw typeError('ERR_PARTY_BAD_OPTION', 'an admission needs one capability at least')
  return bits
}

/** Names of the bits that are set. */
export function capabilityNames(bits: number): Capability[] {
  return NAMES.filter(name => (bits & CAPABILITY[name]) !== 0)
}
