// SPDX-License-Identifier: GPL-3.0-or-later
// One splat at one pixel, premultiplied, and its depth by the same weight.

void main()
{
  float alpha = min(picture.z, shown.a * exp(-0.5 * dot(place.xy, place.xy)));
  if (alpha < ALPHA_CUT) { discard; }
  blended = vec4(shown.rgb * alpha, alpha);
  blended_depth = vec4(place.z * alpha, 0.0, 0.0, alpha);
}
