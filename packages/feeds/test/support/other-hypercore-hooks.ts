/**
 * Module hooks of other-hypercore.ts: whoever imports Hypercore gets the other one. They run in a thread of their own.
 */

interface Context {
  parentURL?: string
}

let other = ''
let from = ''

/** `from`: the module that finds the other one. */
export function initialize(data: { other: string; from: string }): void {
  other = data.other
  from = data.from
}

export function resolve<R>(
  specifier: string,
  context: Context,
  next: (specifier: string, context: Context) => R
): R {
  const isHypercore = specifier === 'hypercore' || specifier.startsWith('hypercore/')
  if (!isHypercore) return next(specifier, context)
  return next(specifier.replace('hypercore', other), { ...context, parentURL: from })
}
