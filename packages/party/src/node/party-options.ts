/**
 * Checks what an app passes to `new Party()`.
 */
import { rangeError, typeError } from '../errors.js'
import { keyBytes } from '../key.js'
import { LIMITS, type Limits } from '../limits.js'
import type { PartyOptions } from '../types.js'
import { checkRules } from './ask-rules.js'

/** Are these options of a party? @throws {TypeError} `ERR_PARTY_BAD_OPTION`, `ERR_PARTY_BAD_KEY`. */
export function checkOptions(options: PartyOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw typeError('ERR_PARTY_BAD_OPTION', 'a party needs { key, storage } or { key, feeds }')
  }
  keyBytes(options.key)
  if (options.feeds === undefined && options.storage === undefined) {
    throw typeError('ERR_PARTY_BAD_OPTION', 'a party needs a storage or a set of feeds')
  }
  if (options.rules !== undefined) checkRules(options.rules)
  const { keyPair } = options
  const isPair = keyPair?.publicKey?.byteLength === 32 && keyPair?.secretKey?.byteLength === 64
  if (keyPair !== undefined && !isPair) {
    throw typeError('ERR_PARTY_BAD_KEY', 'keyPair needs a publicKey of 32 bytes and a secretKey of 64')
  }
}

/** The defaults with these instead. @throws {TypeError | RangeError} `ERR_PARTY_BAD_OPTION`. */
export function mergeLimits(limits: Partial<Limits> = {}): Limits {
  for (const [name, value] of Object.entries(limits)) {
    if (!Object.hasOwn(LIMITS, name)) throw typeError('ERR_PARTY_BAD_OPTION', `there is no limit ${name}`)
    if (typeof value !== 'number' || !(value >= 0)) {
      throw rangeError('ERR_PARTY_BAD_OPTION', `${name} is ${value}, it must be a number from 0`)
    }
  }
  return { ...LIMITS, ...limits }
}
