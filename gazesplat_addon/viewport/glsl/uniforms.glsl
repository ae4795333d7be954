// SPDX-License-Identifier: GPL-3.0-or-later
// What one portrait's splats are posed and projected with. Filled by viewport/uniforms.py in this order; std140.

struct Eye {
  mat4 frame;          // eye frame -> portrait: axes, globe centre
  mat4 gaze;           // gaze frame -> portrait: axes, iris centre at rest
  mat4 turn;           // rig.pose.globe_transform of the pose
  vec4 corners;        // inner x, outer x, corner y, outer x - inner x
  vec4 radii;          // iris, pupil at rest, pupil now, lid sphere
  vec4 reach;          // upper reach, lower reach, overlap, zip share
  vec4 margin_pose;    // what a pose does to the margins: carried, upper rise, lower rise, blink
  vec4 lash;           // rest angle and turn at mid-opening in radians, share of the shade that is left, lead
  vec4 highlight;      // how far the reflection travels, portrait frame; how far the outer corner rises
  vec4 curves[5];      // sine coefficients: upper, lower, closing
  vec4 shade[7];       // log-shading, rgb
};

struct Portrait {
  mat4 to_view;        // portrait -> view, Blender's axes
  mat4 projection;
  vec4 picture;        // width and height in pixels, low-pass in square pixels, alpha cap
  vec4 viewpoint;      // in the portrait's frame: where the eye is (w = 0), or the way a parallel view looks (w = 1)
  vec4 cells;          // first cell, count, harmonic coefficients, whether colours are decoded to scene-linear
  Eye eyes[2];         // left, right
};
