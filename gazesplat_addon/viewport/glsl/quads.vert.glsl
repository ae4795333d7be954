// SPDX-License-Identifier: GPL-3.0-or-later
// Slots of the order, farthest first, become quads that reach to where alpha falls to the cut. Many quads an instance.

void main()
{
  int slot = gl_InstanceID * QUADS + int(corner.z);
  shown = vec4(0.0);
  place = vec3(0.0);
  gl_Position = vec4(2.0, 2.0, 0.0, 1.0);
  if (slot >= total) { return; }
  int cell = int(texelFetch(order, ivec2(slot % COLUMNS, slot / COLUMNS), 0).r);
  ivec2 at = ivec2(cell % COLUMNS, cell / COLUMNS);
  vec4 painted = texelFetch(painted_tex, at, 0);
  if (painted.w <= 0.0) { return; }
  vec4 placed = texelFetch(placed_tex, at, 0);
  vec4 axes = texelFetch(axes_tex, at, 0) * painted.w;
  vec2 offset_px = axes.xy * corner.x + axes.zw * corner.y;
  gl_Position = vec4(placed.xy + offset_px * 2.0 / picture.xy, 0.0, 1.0);
  shown = vec4(painted.rgb, placed.w);
  place = vec3(corner.xy * painted.w, placed.z);
}
