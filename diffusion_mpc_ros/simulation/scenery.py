"""What a picture needs and physics does not: sky, a chequered floor to see motion against, light."""

from __future__ import annotations

import mujoco

from diffusion_mpc_ros.simulation.ground.surfaces import GEOM_PREFIX
from diffusion_mpc_ros.simulation.model import BASE_BODY


def add_scenery(spec: mujoco.MjSpec) -> None:
    """Add sky, floor pattern and lights to the Go2's specification; nothing that touches the physics."""
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.62, 0.75, 0.88],
        rgb2=[0.93, 0.96, 0.98],
        width=256,
        height=256,
    )
    spec.add_texture(
        name="floor",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        mark=mujoco.mjtMark.mjMARK_EDGE,
        rgb1=[0.80, 0.82, 0.84],
        rgb2=[0.70, 0.73, 0.76],
        markrgb=[0.90, 0.91, 0.92],
        width=256,
        height=256,
    )
    material = spec.add_material(name="floor", texrepeat=[2, 2], texuniform=True, reflectance=0.0)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "floor"
    for geom in spec.geoms:
        if geom.name.startswith(GEOM_PREFIX):
            geom.material = "floor"
    spec.visual.headlight.ambient = [0.4, 0.4, 0.4]
    spec.visual.headlight.diffuse = [0.2, 0.2, 0.2]
    spec.worldbody.add_light(
        name="sun",
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        mode=mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM,
        targetbody=BASE_BODY,
        pos=[0.5, -1.0, 3.0],
        dir=[-0.2, 0.3, -1.0],
        diffuse=[0.5, 0.5, 0.5],
        castshadow=True,
    )
