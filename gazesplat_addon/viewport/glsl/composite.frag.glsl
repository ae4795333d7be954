// SPDX-License-Identifier: GPL-3.0-or-later
// The blended splats over the viewport, at their mean depth. Blender merges this layer behind its colour management, as
// (scene ^ 2.2 * (1 - a) + layer) ^ (1 / 2.2) in display values: so what is to be seen goes in to the power of 2.2.

vec3 encoded(vec3 c)
{
  c = max(c, 0.0);
  return mix(1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, c * 12.92, vec3(lessThanEqual(c, vec3(0.0031308))));
}

void main()
{
  ivec2 at = ivec2(gl_FragCoord.xy - origin);
  vec4 sum = texelFetch(blended_tex, at, 0);
  if (sum.a < ALPHA_CUT) { discard; }
  float depth = texelFetch(depth_tex, at, 0).r / sum.a;
  vec4 clip = projection * vec4(0.0, 0.0, -depth, 1.0);
  gl_FragDepth = 0.5 + 0.5 * clip.z / clip.w;
  vec3 straight = sum.rgb / sum.a;
  vec3 display = clamp(scene_linear == 1 ? encoded(straight) : straight, 0.0, 1.0);
  result = vec4(pow(display, vec3(2.2)) * sum.a, sum.a);
}
