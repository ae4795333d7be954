// SPDX-License-Identifier: GPL-3.0-or-later
// One fragment a splat: posed, projected (EWA, as nodes/ewa_quads.py and backend/render/reference.py) and coloured for this view.

vec3 harmonics(ivec2 at, vec3 d, int count)
{
  vec3 sum = vec3(0.0);
  ivec2 first = ivec2(at.x * count, at.y);
  float x = d.x, y = d.y, z = d.z;
#define SH(k) texelFetch(sh_rest, first + ivec2(k, 0), 0).rgb
  if (count >= 3) {
    sum += SH(0) * (-SH1 * y) + SH(1) * (SH1 * z) + SH(2) * (-SH1 * x);
  }
  if (count >= 8) {
    float xx = x * x, yy = y * y, zz = z * z;
    sum += SH(3) * (SH2_XY * x * y) + SH(4) * (-SH2_XY * y * z) + SH(5) * (SH2_ZZ * (2.0 * zz - xx - yy));
    sum += SH(6) * (-SH2_XY * x * z) + SH(7) * (SH2_XX * (xx - yy));
  }
  if (count >= 15) {
    float xx = x * x, yy = y * y, zz = z * z;
    sum += SH(8) * (-SH3_OUTER * y * (3.0 * xx - yy)) + SH(9) * (SH3_XYZ * x * y * z);
    sum += SH(10) * (-SH3_MIDDLE * y * (4.0 * zz - xx - yy)) + SH(11) * (SH3_ZZZ * z * (2.0 * zz - 3.0 * xx - 3.0 * yy));
    sum += SH(12) * (-SH3_MIDDLE * x * (4.0 * zz - xx - yy)) + SH(13) * (SH3_ZXX * z * (xx - yy));
    sum += SH(14) * (-SH3_OUTER * x * (xx - 3.0 * yy));
  }
  return sum;
}

// The half axes of the ellipse in pixels for one standard deviation; det by Cauchy-Binet, which cancels nothing
vec4 ellipse(vec3 u, vec3 v, float low_pass)
{
  float uu = dot(u, u), vv = dot(v, v), uv = dot(u, v);
  vec3 area = cross(u, v);
  float det = dot(area, area) + low_pass * (uu + vv) + low_pass * low_pass;
  float half_difference = 0.5 * (uu - vv);
  float spread = sqrt(half_difference * half_difference + uv * uv);
  float large = 0.5 * (uu + vv) + low_pass + spread;
  float angle = (spread > 0.0) ? 0.5 * atan(uv, half_difference) : 0.0;
  vec2 along = vec2(cos(angle), sin(angle));
  return vec4(along * sqrt(large), vec2(-along.y, along.x) * sqrt(det / large));
}

vec3 decoded(vec3 c)
{
  return mix(pow((c + 0.055) / 1.055, vec3(2.4)), c / 12.92, vec3(lessThanEqual(c, vec3(0.04045))));
}

void main()
{
  int cell = int(gl_FragCoord.y) * COLUMNS + int(gl_FragCoord.x);
  int i = cell - int(portrait.cells.x);
  placed = vec4(0.0);
  axes = vec4(0.0);
  painted = vec4(0.0);
  if (i < 0 || i >= int(portrait.cells.y)) { return; }
  ivec2 at = ivec2(i % COLUMNS, i / COLUMNS);
  vec4 place = texelFetch(means, at, 0);
  vec4 w = texelFetch(rotations, at, 0);
  vec4 size = texelFetch(scales, at, 0);

  Splat s;
  s.mean = place.xyz;
  s.m1 = size.x * vec3(1.0 - 2.0 * (w.z * w.z + w.w * w.w), 2.0 * (w.y * w.z + w.x * w.w), 2.0 * (w.y * w.w - w.x * w.z));
  s.m2 = size.y * vec3(2.0 * (w.y * w.z - w.x * w.w), 1.0 - 2.0 * (w.y * w.y + w.w * w.w), 2.0 * (w.z * w.w + w.x * w.y));
  s.m3 = size.z * vec3(2.0 * (w.y * w.w + w.x * w.z), 2.0 * (w.z * w.w - w.x * w.y), 1.0 - 2.0 * (w.y * w.y + w.z * w.z));
  s.opacity = place.w;
  s.shade = vec3(1.0);
  s.turn = mat3(1.0);
  pose(int(size.w), s);

  vec3 t = (portrait.to_view * vec4(s.mean, 1.0)).xyz;
  float depth = -t.z;
  float opacity = min(s.opacity, 1.0);
  placed.z = depth;
  if (!(depth >= NEAR_M) || !(opacity > ALPHA_CUT)) { return; }
  mat4 p = portrait.projection;
  bool parallel = p[3][3] == 1.0;
  vec2 focal = vec2(p[0][0], p[1][1]);
  vec2 offset = vec2(p[2][0], p[2][1]);
  vec2 slope = parallel ? vec2(0.0) : clamp(t.xy / depth, (offset - FRUSTUM) / focal, (offset + FRUSTUM) / focal);
  mat3 turn = mat3(portrait.to_view);
  vec3 c1 = turn * s.m1, c2 = turn * s.m2, c3 = turn * s.m3;
  vec2 to_pixels = 0.5 * focal * portrait.picture.xy / (parallel ? 1.0 : depth);
  vec3 u = (vec3(c1.x, c2.x, c3.x) + slope.x * vec3(c1.z, c2.z, c3.z)) * to_pixels.x;
  vec3 v = (vec3(c1.y, c2.y, c3.y) + slope.y * vec3(c1.z, c2.z, c3.z)) * to_pixels.y;
  axes = ellipse(u, v, portrait.picture.z);
  vec4 clip = p * vec4(t, 1.0);
  placed = vec4(clip.xy / clip.w, depth, opacity);

  vec3 colour = texelFetch(colours, at, 0).rgb;
  int count = int(portrait.cells.z);
  if (count > 0) {
    vec3 direction = (portrait.viewpoint.w == 1.0) ? portrait.viewpoint.xyz : s.mean - portrait.viewpoint.xyz;
    colour += harmonics(at, normalize(direction) * s.turn, count);
  }
  colour = max(colour, 0.0) * s.shade;
  painted = vec4(portrait.cells.w == 1.0 ? decoded(colour) : colour, sqrt(2.0 * log(opacity / ALPHA_CUT)));
}
