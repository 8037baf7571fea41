/* The page's steps back and forward. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { back, begin, forward, go } from '../../web/demo/src/lib/history.js';

describe('a history', () => {
  it('goes back and forward, and no further than it has been', () => {
    let now = go(go(begin('a'), 'b'), 'c');
    assert.deepEqual(forward(now), now);
    now = back(back(now));
    assert.equal(now.now, 'a');
    assert.equal(back(now).now, 'a');
    assert.equal(forward(forward(now)).now, 'c');
  });

  it('forgets what was undone when another step is taken', () => {
    const now = go(back(go(begin('a'), 'b')), 'c');
    assert.deepEqual(now, { past: ['a'], now: 'c', future: [] });
  });

  it('forgets its oldest steps when they do not fit, but not the last one', () => {
    const few = (all) => all.length <= 3;
    let now = begin(0);
    for (let i = 1; i < 9; i++) now = go(now, i, few);
    assert.deepEqual(now.past, [6, 7]);
    assert.deepEqual(go(now, 'large', () => false).past, [8]);
  });

  it('leaves earlier values alone', () => {
    const first = begin('a'), second = go(first, 'b');
    back(second);
    assert.deepEqual(first, { past: [], now: 'a', future: [] });
    assert.deepEqual(second, { past: ['a'], now: 'b', future: [] });
  });
});
