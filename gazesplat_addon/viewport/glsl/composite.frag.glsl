// SPDX-License-Identifier: GPL-3.0-or-later
// The blended splats over the viewport, at their mean depth, through the scene's view (viewport/viewing.py). Blender merges this layer
// behind its colour management, as (scene ^ 2.2 * (1 - a) + layer) ^ (1 / 2.2) in display values: so what is to be seen goes in to the
// power of 2.2.

#define DARKEST (1.0 / 255.0 / 12.92)

vec3 encoded(vec3 c)
{
  return mix(1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, c * 12.92, vec3(lessThanEqual(c, vec3(0.0031308))));
}

vec3 decoded(vec3 c)
{
  return mix(pow((c + 0.055) / 1.055, vec3(2.4)), c / 12.92, vec3(lessThanEqual(c, vec3(0.04045))));
}

// A cube of colours at a place in points; red changes slowest, and the texture has a row for each red
#define POINT(cube, side, p) texelFetch(cube, ivec2((p).y * side + (p).z, (p).x), 0).rgb
#define EDGE(cube, side, p, f) mix(POINT(cube, side, p), POINT(cube, side, (p) + ivec3(0, 0, 1)), (f).z)
#define FACE(cube, side, p, f) mix(EDGE(cube, side, p, f), EDGE(cube, side, (p) + ivec3(0, 1, 0), f), (f).y)
#define CUBE(cube, side, p, f) mix(FACE(cube, side, p, f), FACE(cube, side, (p) + ivec3(1, 0, 0), f), (f).x)

vec3 light_of(vec3 display)
{
  vec3 at = clamp(display, 0.0, 1.0) * float(INVERSE_GRID - 1);
  ivec3 p = ivec3(min(at, vec3(float(INVERSE_GRID) - 1.5)));
  return CUBE_UNIT * sinh(CUBE(inverse_tex, INVERSE_GRID, p, at - vec3(p)));
}

vec3 viewed(vec3 light)
{
  vec3 stops = log2(light + exp2(-STOPS_BELOW)) + STOPS_BELOW;
  vec3 at = clamp(stops * POINTS_A_STOP, 0.0, float(VIEW_GRID - 1));
  ivec3 p = ivec3(min(at, vec3(float(VIEW_GRID) - 1.5)));
  return CUBE(view_tex, VIEW_GRID, p, at - vec3(p));
}

vec3 shown(vec3 c)
{
  c = max(c, 0.0);
  if (steps.x == SRGB_CURVE) { c = decoded(c); }
  if (steps.x == TABLE) { c = light_of(c); }
  c = max(c, 0.0) * steps.z;
  if (steps.y == SRGB_CURVE) { c = encoded(c); }
  if (steps.y == TABLE) { c = viewed(c); }
  return pow(clamp(c, 0.0, 1.0), vec3(steps.w));
}

void main()
{
  ivec2 at = ivec2(gl_FragCoord.xy - place.xy);
  vec4 sum = texelFetch(blended_tex, at, 0);
  if (sum.a < ALPHA_CUT) { discard; }
  float z = -texelFetch(depth_tex, at, 0).r / sum.a;
  vec3 ndc = vec3(2.0 * (gl_FragCoord.xy - place.xy) / vec2(textureSize(blended_tex, 0)) - 1.0,
                  (to_depth.x * z + to_depth.y) / (to_depth.z * z + to_depth.w));
  if (any(lessThan(cut * vec4(ndc, 1.0), vec4(0.0)))) { discard; }
  gl_FragDepth = 0.5 + 0.5 * ndc.z;
  vec3 display = shown(sum.rgb / sum.a);
  vec3 layer = pow(display, vec3(2.2));
  // The layer has 8 bits. Its darkest but black shows as 6/255; where a pixel is covered, round to the nearer of the two as displayed.
  if (sum.a > 0.99) { layer = mix(layer, max(layer, DARKEST), vec3(greaterThan(display, vec3(0.5 * pow(DARKEST, 1.0 / 2.2))))); }
  result = place.z * vec4(layer * sum.a, sum.a);
}
