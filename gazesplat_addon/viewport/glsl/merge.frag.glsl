// SPDX-License-Identifier: GPL-3.0-or-later
// One fragment a place in the order: a splat of the eyes where one is told to stand, else the next of the others.

ivec2 texel(int i) { return ivec2(i % COLUMNS, i / COLUMNS); }

void main()
{
  int slot = int(gl_FragCoord.y) * COLUMNS + int(gl_FragCoord.x);
  int before = 0;      // splats of the eyes that stand here or earlier
  int end = counts.y;
  while (before < end) {
    int middle = (before + end) / 2;
    if (int(texelFetch(moving, texel(middle), 0).r) <= slot) { before = middle + 1; }
    else { end = middle; }
  }
  vec4 last = texelFetch(moving, texel(max(before - 1, 0)), 0);
  bool here = before > 0 && int(last.r) == slot;
  cell = here ? last.g : texelFetch(still, texel(clamp(slot - before, 0, counts.x - 1)), 0).r;
}
