(* Lemma 1 (one translation): tuples of bijections with the same k-hop table differ by one
   permutation on the left of all relations, and by one on their right.

   Docs: docs/theorems/theorem_4_2.md, "Global bound", Lemma 1. *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Section OneTranslation.
Variables (T : finType) (R : nat).
Implicit Types f g : facts T R.

(* The permutation that a word is. *)
Definition word_perm f (f_bij : f \in bijections) (w : seq 'I_R) : {perm T} :=
  perm (@follow_inj T R f w f_bij).

Lemma word_permE f (f_bij : f \in bijections) w s : word_perm f_bij w s = follow f s w.
Proof. exact: permE. Qed.

(* It is enough that they answer alike the words that end in one word v, and those that begin with
   one word u. *)
Theorem one_translation f g (v u : seq 'I_R) : f \in bijections -> g \in bijections ->
  (forall r s, follow f s (r :: v) = follow g s (r :: v)) ->
  (forall r s, follow f s (rcons u r) = follow g s (rcons u r)) ->
  exists tau rho : {perm T}, forall r s, f r s = tau (g r s) /\ f r s = g r (rho s).
Proof.
move=> f_bij g_bij same_v same_u.
pose f_v := word_perm f_bij v; pose g_v := word_perm g_bij v.
pose f_u := word_perm f_bij u; pose g_u := word_perm g_bij u.
exists (g_v * f_v^-1)%g, (f_u^-1 * g_u)%g => r s; split.
- by rewrite permM; apply: (canRL (permK f_v)); rewrite !word_permE; apply: same_v.
- by rewrite permM word_permE -{1}(permKV f_u s) word_permE -!follow_rcons same_u.
Qed.

Theorem lemma_1 k f g : f \in bijections -> g \in bijections -> table k.+1 f = table k.+1 g ->
  exists tau rho : {perm T}, forall r s, f r s = tau (g r s) /\ f r s = g r (rho s).
Proof.
move=> f_bij g_bij /ffunP same.
have same_word s (w : seq 'I_R) : size w = k.+1 -> follow f s w = follow g s w.
  by move/eqP=> w_size; have := same (s, Tuple w_size); rewrite !ffunE.
case: (posnP R) => [R0 | R_gt0].
  by exists 1%g, 1%g => r; have := ltn_ord r; rewrite [X in _ < X]R0.
pose u : seq 'I_R := nseq k (Ordinal R_gt0).
apply: (one_translation (v := u) (u := u)) => // r s; apply: same_word.
  by rewrite /= size_nseq.
by rewrite size_rcons size_nseq.
Qed.

End OneTranslation.
