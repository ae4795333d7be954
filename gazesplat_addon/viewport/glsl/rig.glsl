// SPDX-License-Identifier: GPL-3.0-or-later
// The pose formulas of gazesplat_addon/rig (lids.py, pose.py), function by function under the same names.

struct Margins {
  float upper_rest, lower_rest, upper, lower, share, lead, aside;
};

struct Splat {
  vec3 mean;
  vec3 m1, m2, m3;     // columns of the linear factor, covariance = M M^T
  float opacity;
  vec3 shade;          // factor on the colour
  mat3 turn;           // rotation that harmonics follow
};

// rig.lids.sine_series of all three curves: upper, lower, closing
vec3 sine_series(int e, float cos_t, float sin_t)
{
  float previous = 0.0;
  float current = sin_t;
  vec3 total = vec3(0.0);
  for (int n = 0; n < CURVE_TERMS; n++) {
    total += portrait.eyes[e].curves[n].xyz * current;
    float following = 2.0 * cos_t * current - previous;
    previous = current;
    current = following;
  }
  return total;
}

// rig.lids.MarginsOver: x is where they rest
Margins margins(int e, float x)
{
  float corner_y = portrait.eyes[e].corners.z;
  float width = portrait.eyes[e].corners.w;
  vec4 pose = portrait.eyes[e].margin_pose;
  float blink = pose.w;
  Margins m;
  m.share = (x - portrait.eyes[e].corners.x) / width;
  float s = clamp(m.share, 0.0, 1.0);
  float cos_t = 1.0 - 2.0 * s;
  float sin_t = 2.0 * sqrt(s * (1.0 - s));
  vec3 rest = corner_y + sine_series(e, cos_t, sin_t);
  m.upper_rest = rest.x;
  m.lower_rest = rest.y;

  float r = portrait.eyes[e].radii.x;
  float not_beside = 1.0 - smoothstep(0.0, BESIDE_IRIS_RADII * r, max(-m.share, m.share - 1.0) * abs(width));
  float corner = portrait.eyes[e].highlight.w * smoothstep(0.5, 1.0, m.share) * not_beside;
  float taper = pow(sin_t, TAPER_POWER);
  float rise = corner + (pose.z - corner) * taper;
  m.lower = m.lower_rest + rise;
  m.upper = max(m.upper_rest + corner + (pose.y - corner) * taper, m.lower);

  float closing = rest.z + rise;
  m.lower = min(m.lower + blink * blink * portrait.eyes[e].reach.w * (closing - m.lower), m.upper);
  float beyond = (m.share - 1.0) * abs(width);
  float ending = blink * blink * (1.0 - smoothstep(0.0, OVERLAP_END_IRIS_RADII * r, beyond));
  float overlap = portrait.eyes[e].reach.z * r * smoothstep(OVERLAP_FROM_SHARE, 1.0, m.share) * ending;
  m.upper = m.upper + blink * (m.lower - m.upper) - overlap;
  m.lead = portrait.eyes[e].lash.w * smoothstep(0.0, LEAD_WHOLE_SHARE, m.share) * ending;
  float at_corner = CORNER_CARRIED_INNER + (CORNER_CARRIED_OUTER - CORNER_CARRIED_INNER) * s;
  float whole = smoothstep(0.0, CARRIED_WHOLE_SHARE, s) * smoothstep(0.0, CARRIED_WHOLE_SHARE, 1.0 - s);
  m.aside = pose.x * (at_corner + (1.0 - at_corner) * whole) * not_beside;
  return m;
}

// rig.lids.margins_now
Margins margins_now(int e, float x)
{
  return margins(e, x - margins(e, x).aside);
}

// rig.lids.lid_height
float lid_height(int e, float x, float y)
{
  float radius = portrait.eyes[e].radii.w;
  float flat_z = FLAT_SHARE * radius;
  return sqrt(max(radius * radius - x * x - y * y, flat_z * flat_z));
}

// rig.lids._slide
vec3 slide(int e, vec3 q, float aside, float rise)
{
  float x = q.x + aside;
  float y = q.y + rise;
  return vec3(x, y, q.z + lid_height(e, x, y) - lid_height(e, q.x, q.y));
}

// rig.lids.warp_upper_lid
vec3 warp_upper_lid(int e, vec3 q)
{
  Margins m = margins(e, q.x);
  float still = STILL_IRIS_RADII * portrait.eyes[e].radii.x;
  float weight = 1.0 - smoothstep(still, portrait.eyes[e].reach.x, q.y - m.upper_rest);
  return slide(e, q, m.aside * weight, (m.upper - m.upper_rest) * weight) + vec3(0.0, 0.0, m.lead * weight);
}

// rig.lids.warp_lower_lid
vec3 warp_lower_lid(int e, vec3 q)
{
  Margins m = margins(e, q.x);
  float still = STILL_IRIS_RADII * portrait.eyes[e].radii.x;
  float weight = 1.0 - smoothstep(still, portrait.eyes[e].reach.y, m.lower_rest - q.y);
  return slide(e, q, m.aside * weight, (m.lower - m.lower_rest) * weight);
}

// rig.lids.warp_upper_lash
vec3 warp_upper_lash(int e, vec3 q)
{
  Margins m = margins(e, q.x);
  float t = q.y - m.upper_rest;
  float beyond = (m.share - 1.0) * abs(portrait.eyes[e].corners.w);
  float corner = 1.0 - LASH_CORNER_SHARE * smoothstep(0.0, 0.8 * portrait.eyes[e].radii.x, beyond);
  float angle = portrait.eyes[e].lash.x;
  float turned = angle - portrait.eyes[e].lash.y * corner;
  float carried = q.x + m.aside;
  float base_z = lid_height(e, carried, m.upper) - lid_height(e, q.x, m.upper_rest);
  float along = t / sin(angle);
  return vec3(carried, m.upper + along * sin(turned), q.z + base_z + along * (cos(turned) - cos(angle)) + m.lead);
}

// rig.lids.warp_lower_lash
vec3 warp_lower_lash(int e, vec3 q)
{
  Margins m = margins(e, q.x);
  return slide(e, q, m.aside, m.lower - m.lower_rest);
}

// rig.pose.dilate, gaze frame about the iris centre
vec3 dilate(int e, vec3 p)
{
  float r = portrait.eyes[e].radii.x;
  float rest = portrait.eyes[e].radii.y;
  float now = portrait.eyes[e].radii.z;
  float rho = max(length(p.xy), 1e-9);
  float annulus = r - (r - rho) * (r - now) / (r - rest);
  float moved = (rho < rest) ? rho * (now / rest) : ((rho < r) ? annulus : rho);
  return vec3(p.xy * (moved / rho), p.z);
}

vec3 warp(int e, int part, vec3 q)
{
  if (part == UPPER_LID || part == UPPER_SHADE) { return warp_upper_lid(e, q); }
  if (part == LOWER_LID) { return warp_lower_lid(e, q); }
  if (part == UPPER_LASH) { return warp_upper_lash(e, q); }
  if (part == LOWER_LASH) { return warp_lower_lash(e, q); }
  return dilate(e, q);
}

vec3 secant(int e, int part, vec3 q, vec3 moved, vec3 column)
{
  vec3 stretched = warp(e, part, q + column) - moved;
  return stretched * min(1.0, STRETCH_LIMIT * length(column) / max(length(stretched), 1e-12));
}

// rig.pose._warp, in a frame given by its axes and origin
void warp_splat(int e, int part, mat4 frame, inout Splat s)
{
  mat3 axes = mat3(frame);
  vec3 q = (s.mean - frame[3].xyz) * axes;
  vec3 moved = warp(e, part, q);
  s.m1 = axes * secant(e, part, q, moved, s.m1 * axes);
  s.m2 = axes * secant(e, part, q, moved, s.m2 * axes);
  s.m3 = axes * secant(e, part, q, moved, s.m3 * axes);
  s.mean = axes * moved + frame[3].xyz;
}

// rig.pose.shading_terms times the eye's shade; the first five terms are the light of the socket
vec3 shading(int e, vec3 q, float upper, float lower, float share, bool socket)
{
  float r = portrait.eyes[e].radii.x;
  float width = abs(portrait.eyes[e].corners.w);
  vec3 light = portrait.eyes[e].shade[5].xyz * exp(-max(upper - q.y, 0.0) / (SHADE_UPPER_IRIS_RADII * r));
  light += portrait.eyes[e].shade[6].xyz * exp(-max(q.y - lower, 0.0) / (SHADE_LOWER_IRIS_RADII * r));
  if (socket) {
    float x = clamp(2.0 * share - 1.0, -1.0, 1.0);
    light += portrait.eyes[e].shade[0].xyz * x + portrait.eyes[e].shade[1].xyz * x * x;
    light += portrait.eyes[e].shade[2].xyz * clamp((q.y - portrait.eyes[e].corners.z) / r, -1.5, 1.5);
    light += portrait.eyes[e].shade[3].xyz * exp(-max(share, 0.0) * width / (SHADE_CORNER_IRIS_RADII * r));
    light += portrait.eyes[e].shade[4].xyz * exp(-max(1.0 - share, 0.0) * width / (SHADE_CORNER_IRIS_RADII * r));
  }
  return light;
}

// rig.pose._pose_eye: iris, pupil and sclera
void pose_globe(int e, int part, inout Splat s)
{
  mat4 frame = portrait.eyes[e].frame;
  vec3 rest_q = (s.mean - frame[3].xyz) * mat3(frame);
  if (part != SCLERA) { warp_splat(e, part, portrait.eyes[e].gaze, s); }
  mat4 turn = portrait.eyes[e].turn;
  s.turn = mat3(turn);
  s.mean = s.turn * s.mean + turn[3].xyz;
  s.m1 = s.turn * s.m1;
  s.m2 = s.turn * s.m2;
  s.m3 = s.turn * s.m3;
  vec3 q = (s.mean - frame[3].xyz) * mat3(frame);
  Margins rest = margins(e, rest_q.x);
  Margins now = margins_now(e, q.x);
  float share = (q.x - portrait.eyes[e].corners.x) / portrait.eyes[e].corners.w;
  bool socket = part == SCLERA;
  s.shade = exp(shading(e, q, now.upper, now.lower, share, socket)
                - shading(e, rest_q, max(rest.upper_rest, rest.lower_rest), rest.lower_rest, rest.share, socket));
}

// rig.pose._pose_eye: the corneal reflection
void pose_highlight(int e, inout Splat s)
{
  mat4 turn = portrait.eyes[e].turn;
  vec3 iris_now = mat3(turn) * portrait.eyes[e].gaze[3].xyz + turn[3].xyz;
  s.mean += portrait.eyes[e].highlight.xyz;
  vec2 off = ((s.mean - iris_now) * mat3(portrait.eyes[e].frame)).xy;
  s.opacity *= clamp((HIGHLIGHT_EDGE - length(off) / portrait.eyes[e].radii.x) / HIGHLIGHT_SOFT, 0.0, 1.0);
}

// rig.pose.pose_splats for one splat of group 10 * eye + part
void pose(int group, inout Splat s)
{
  int e = group / 10 - 1;
  int part = group - 10 * (e + 1);
  if (e < 0 || e > 1 || portrait.eyes[e].radii.x <= 0.0) { return; }
  if (part == IRIS || part == PUPIL || part == SCLERA) { pose_globe(e, part, s); }
  else if (part == HIGHLIGHT) { pose_highlight(e, s); }
  else if (part >= UPPER_LID && part <= UPPER_SHADE) { warp_splat(e, part, portrait.eyes[e].frame, s); }
  if (part == UPPER_SHADE) { s.opacity *= portrait.eyes[e].lash.z; }
}
