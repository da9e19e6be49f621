/**
 * Runs our code and tests on another Hypercore, Corestore, Protomux and secret-stream, those that `HEARSAY_STACK` holds:
 *
 *   npm install --prefix /tmp/stack hypercore@<version> corestore@<version> protomux@<version> @hyperswarm/secret-stream@<version>
 *   HEARSAY_STACK=/tmp/stack NODE_OPTIONS="--import=$PWD/packages/feeds/test/dist/support/other-stack.js" \
 *     npx ava packages/feeds/test/dist/gate-rules.test.js packages/feeds/test/dist/contracts.test.js
 */
import { register } from 'node:module'

const folder = process.env.HEARSAY_STACK
if (folder !== undefined) register('./other-stack-hooks.js', import.meta.url, { data: folder })
