/**
 * Module hooks of other-stack.ts: what our files import of the stack comes from its folder. What the stack requires of itself
 * lies there already.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const STACK = ['hypercore', 'corestore', 'protomux', '@hyperswarm/secret-stream']

interface Context {
  parentURL?: string
}

let parent = ''

export function initialize(folder: string): void {
  parent = pathToFileURL(join(folder, 'x.js')).href
}

export function resolve<R>(
  specifier: string,
  context: Context,
  next: (specifier: string, context: Context) => R
): R {
  const isOurs = context.parentURL?.includes('/node_modules/') === false
  const isOfStack = STACK.some(name => specifier === name || specifier.startsWith(`${name}/`))
  return next(specifier, isOurs && isOfStack ? { ...context, parentURL: parent } : context)
}
