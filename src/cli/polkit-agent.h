/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For people at a terminal without a desktop: polkit's own agent asks for passwords there as long
 * as this program runs. Nothing happens where there is no terminal, no agent, or no polkit, where
 * root asks, and where somebody else asks for passwords already.
 */
void polkit_agent_start(void);
