/**
 * Runs our code and Corestore on another Hypercore: the development dependency that `HEARSAY_HYPERCORE` names.
 *
 *   HEARSAY_HYPERCORE=hypercore-lowest NODE_OPTIONS="--import=$PWD/packages/feeds/test/dist/support/other-hypercore.js" \
 *     npx ava 'packages/feeds/test/dist/*.test.js'
 *
 * Node's module hooks see what is imported, and not what CommonJS modules require of each other, as Corestore does: for those
 * the resolver itself is replaced.
 */
import module, { createRequire, register } from 'node:module'

type Resolve = (request: string, ...rest: unknown[]) => string

const other = process.env.HEARSAY_HYPERCORE
if (other !== undefined) {
  register('./other-hypercore-hooks.js', import.meta.url, { data: { other, from: import.meta.url } })
  const require = createRequire(import.meta.url)
  const loader = module as unknown as { _resolveFilename: Resolve }
  const resolve = loader._resolveFilename
  loader._resolveFilename = (request, ...rest) => {
    const isHypercore = request === 'hypercore' || request.startsWith('hypercore/')
    if (isHypercore) return require.resolve(request.replace('hypercore', other))
    return resolve.call(module, request, ...rest)
  }
}
